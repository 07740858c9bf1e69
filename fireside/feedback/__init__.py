"""What people say about replies: append-only feedback events."""
