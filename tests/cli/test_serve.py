"""What the server says when it cannot start: one clear sentence, exit code 1, nothing broken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fireside.cli.serve import only_server


def fireside(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ}
    return subprocess.run(
        [sys.executable, "-m", "fireside", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_in_use_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(fireside("serve", "--port", str(port), "--data-dir", str(tmp_path)))
    assert f"port {port}" in said
    assert "--port" in said


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    said = refused(fireside("serve", "--port", "0", "--data-dir", str(blocked / "data")))
    assert "data directory" in said
    assert "--data-dir" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_data_directory_is_named(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        said = refused(fireside("serve", "--port", "0", "--data-dir", str(tmp_path / "data")))
    finally:
        tmp_path.chmod(0o700)
    assert "cannot be written" in said


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path):
    with only_server(tmp_path):
        said = refused(fireside("serve", "--port", "0", "--data-dir", str(tmp_path)))
    assert f"process {os.getpid()}" in said


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path):
    said = refused(
        fireside("settings", "explain", FIRESIDE__SERVER__PROT="1", FIRESIDE_DATA_DIR=str(tmp_path))
    )
    assert "server.prot" in said


def test_a_database_from_nowhere_is_named(tmp_path: Path):
    said = refused(
        fireside(
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(tmp_path),
            FIRESIDE__DB__URL="postgresql://nobody@127.0.0.1:1/none",
        )
    )
    assert "database" in said


def test_the_doctor_looks_at_a_fresh_directory(tmp_path: Path):
    done = fireside("doctor", "--data-dir", str(tmp_path / "new"), "--json")
    assert done.returncode == 0, done.stderr
    assert '"database"' in done.stdout
