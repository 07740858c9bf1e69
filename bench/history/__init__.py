"""List, open and search in a large account; see `__main__`."""
