"""What was used: an append-only meter of every generation."""
