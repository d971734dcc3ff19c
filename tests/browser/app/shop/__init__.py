"""A shop, whose jobs are in the pictures of the documentation."""
