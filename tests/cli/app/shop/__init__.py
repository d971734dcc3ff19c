"""An application as a user would write it. Tests copy it into the folder in which they run the command."""
