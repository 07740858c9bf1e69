"""Numbered migrations, run by `fireside.db.migrate`. Files of a release are never edited again."""
