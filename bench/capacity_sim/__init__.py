"""The gate's own scheduler on modelled engines: every scenario in one table; see `__main__`."""
