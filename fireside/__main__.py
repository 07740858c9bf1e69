"""`python -m fireside` is the `fireside` command."""

from fireside.cli import main

main()
