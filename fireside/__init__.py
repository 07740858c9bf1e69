"""Fireside: chat, API and training on one conversation."""

__version__ = "0.1.0"
