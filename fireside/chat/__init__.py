"""The turn: from what a person sent to a finished, stored reply."""
