"""The real things behind the gate."""
