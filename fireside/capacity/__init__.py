"""Who runs next when there is not enough for everyone: the gate in front of every generation."""
