"""Hatchling's hook: the built page goes into the wheel as fireside/webui.

A checkout builds the page when its sources changed, with the system's Node or one that a Python
package carries; an unpacked source distribution brings web/dist along and needs neither.
FIRESIDE_SKIP_WEB=1 leaves the page out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """Builds the page before hatchling collects files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the page to what is packed; `version` is "editable" for development installs."""
        if version == "editable" or os.environ.get("FIRESIDE_SKIP_WEB"):
            return
        root = Path(self.root)
        dist = root / "web" / "dist"
        is_unpacked_sdist = (root / "PKG-INFO").is_file() and (dist / "index.html").is_file()
        if not is_unpacked_sdist:
            sys.path.insert(0, str(root / "scripts"))
            from page import page

            page()
        target = "fireside/webui" if self.target_name == "wheel" else "web/dist"
        build_data["force_include"][str(dist)] = target
