"""The client: from a function call to a stored job."""
