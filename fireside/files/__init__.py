"""Bytes that messages refer to: stored once under the hash of their content."""
