"""The gate's goals, measured on the running product in front of mock engines; see `__main__`."""
