"""Write docs/reference from the code: settings, commands, events, errors and the HTTP interface.

`reference.py` writes the pages; `reference.py --check` says which are stale and changes nothing.
A test runs the check, so that a change of the interface is always seen in the diff.
"""

from __future__ import annotations

import json
import sys

import reference_code
import reference_http
from steps import ROOT

FOLDER = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by `make docs` from the code. Change the code, not this page. -->\n\n"


def pages() -> dict[str, str]:
    """File name -> content, for every generated file."""
    app = reference_http.application()
    document = reference_http.openapi_text(app)
    return {
        "settings.md": NOTICE + reference_code.settings(),
        "cli.md": NOTICE + reference_code.commands(),
        "events.md": NOTICE + reference_code.events(),
        "errors.md": NOTICE + reference_code.errors(),
        "http.md": NOTICE
        + reference_http.overview(json.loads(document), reference_http.rules(app)),
        "openapi.json": document,
    }


def stale() -> list[str]:
    """The names of pages that differ from what the code says."""
    found = []
    for name, text in pages().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text() != text:
            found.append(name)
    return found


def main() -> int:
    """Write or check every page."""
    if "--check" in sys.argv:
        names = stale()
        if names:
            print(f"docs/reference is stale: {', '.join(names)}. Run `make docs`.")
        return 1 if names else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
