"""What the vehicle itself can tell: its modems and where it is. And its text messages."""
