"""Benchmarks: load, crash and speed, each with results that name how they were made."""
