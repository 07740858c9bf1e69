"""Importing a module does nothing: no network, no files written, no environment, no threads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.architecture.source import MIGRATIONS, PACKAGE, ROOT, modules

# Seconds of processor time for importing the whole server. The aim is 1.0 on a quiet machine; the
# rest is room for a busy one.
IMPORT_CPU_S = 2.5

PROBE = """
import collections.abc, importlib, json, os, sys, threading, time

def caller():
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") in {"os", "_collections_abc", "collections.abc"}:
        frame = frame.f_back
    return frame.f_globals.get("__name__") or ""

class Watched(type(os.environ)):
    def __init__(self, real): self.__dict__.update(real.__dict__)
    def __getitem__(self, key):
        if caller().startswith("fireside"):
            raise AssertionError(f"{caller()} reads the environment ({key}) while imported")
        return super().__getitem__(key)

os.environ = Watched(os.environ)

def watch(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"}:
        raise AssertionError(f"{event} while importing: {arguments!r}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        if not str(arguments[0]).endswith((".pyc",)) and ".pyc." not in str(arguments[0]):
            raise AssertionError(f"{arguments[0]} is opened for writing while importing")

sys.addaudithook(watch)
started = time.process_time()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps({"cpu_s": time.process_time() - started, "threads": threading.active_count(),
                  "loaded": sorted(name for name in sys.modules if "." not in name)}))
"""


def importable() -> list[str]:
    names = []
    for path in modules():
        if MIGRATIONS not in path.parents and path.stem != "__main__":
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def probe(names: list[str]) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_importing_everything_touches_nothing_and_is_quick() -> None:
    first = probe(importable())
    assert first["threads"] == 1
    again = [first, probe(importable())]
    assert min(float(str(each["cpu_s"])) for each in again) < IMPORT_CPU_S


@pytest.mark.skipif(not (PACKAGE / "app.py").exists(), reason="no composition root yet")
def test_the_server_does_not_load_the_model_library_it_only_starts() -> None:
    loaded = probe(["fireside.app"])["loaded"]
    assert isinstance(loaded, list)
    assert {"xllamacpp", "torch", "numpy", "pytest"} & set(loaded) == set()
