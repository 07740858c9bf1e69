"""Codecs between the conversation and formats of the outside world, one module each."""
