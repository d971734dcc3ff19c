"""What a stranger with access to the table of jobs cannot do."""
