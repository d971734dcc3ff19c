"""A shop with jobs of every shape."""
