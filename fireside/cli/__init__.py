"""The command line: parse, build, call one service method, print.

Exit codes: 0 done; 1 it failed, with the reason on standard error; 2 the command line was wrong.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from fireside.errors import FiresideError

COMMANDS = {
    "serve": "fireside.cli.serve:serve",
    "user": "fireside.cli.user:user",
    "key": "fireside.cli.key:key",
    "engine": "fireside.cli.engine:engine",
    "model": "fireside.cli.model:model",
    "export": "fireside.cli.transfer:export",
    "import": "fireside.cli.transfer:import_",
    "settings": "fireside.cli.settings:settings",
    "simulate": "fireside.cli.simulate:simulate",
    "doctor": "fireside.cli.doctor:doctor",
    "deploy": "fireside.cli.deploy:deploy",
    "openapi": "fireside.cli.serve:openapi",
}


class _Group(click.Group):
    """Loads a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FiresideError as error:
            click.echo(f"fireside: {error.message}", err=True)
            if error.hint:
                click.echo(f"  {error.hint}", err=True)
            sys.exit(1)


@click.command(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fireside", message="fireside %(version)s")
def main() -> None:
    """Fireside: chat, API and training on one conversation."""
