"""The one conversation type, pure: message, tree, events, folding, rendering, codecs."""
