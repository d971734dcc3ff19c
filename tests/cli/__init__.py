"""The command line: as processes where processes matter, within this one where text does."""
