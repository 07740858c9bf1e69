"""`fireside settings`: what is set, to what, and by whom."""

from __future__ import annotations

import click
import msgspec

from fireside.settings import explain as explain_settings
from fireside.settings import load


@click.group()
def settings() -> None:
    """Look at the settings."""


@settings.command()
@click.option("--data-dir", help="Where Fireside keeps its files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("path", required=False)
def explain(data_dir: str | None, as_json: bool, path: str | None) -> None:
    """Print every setting (or those under PATH) with its value and where it came from."""
    loaded, sources = load({"data_dir": data_dir})
    rows = [
        row
        for row in explain_settings(loaded, sources)
        if path is None or row.path == path or row.path.startswith(f"{path}.")
    ]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    if not rows:
        raise click.UsageError(f"There is no setting {path!r}.")
    width = max(len(row.path) for row in rows)
    for row in rows:
        click.echo(f"{row.path:<{width}}  {row.value!r}  ({row.source})")
        click.echo(f"{'':<{width}}  {row.description}  [{row.env_name}]")
