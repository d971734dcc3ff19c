"""The demo, on sources of our own making."""
