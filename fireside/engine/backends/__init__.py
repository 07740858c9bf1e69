"""Backends of the engine port."""
