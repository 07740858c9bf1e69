"""Stored conversations: message rows, folders, search, sharing, export, deletion."""
