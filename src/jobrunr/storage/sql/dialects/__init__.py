"""What differs between databases, one class each; the statements that differ are beside the statements they replace."""
