"""The real things behind the ports of the turn."""
