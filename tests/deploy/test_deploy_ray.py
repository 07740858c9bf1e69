"""What `fireside deploy ray` writes, and what it will not write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from fireside.cli import main
from tests.engine.conftest import tiny_gguf


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["deploy", "ray", *arguments])


def test_it_writes_an_application_that_ray_can_run(tmp_path: Path) -> None:
    out = tmp_path / "with space"
    done = run(
        "--out", str(out), "--model", "org/model", "--replicas", "2:9", "--slots", "64",
        "--forecast", "http://gate/api/admin/capacity/forecast", "--flag=--quantization=fp8",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "--slots 576" in done.output
    compile((out / "engines.py").read_text(), "engines.py", "exec")
    compile((out / "gate_policy.py").read_text(), "gate_policy.py", "exec")
    (application,) = yaml.safe_load((out / "serve.yaml").read_text())["applications"]
    assert application["import_path"] == "engines:build"
    assert application["runtime_env"]["env_vars"] == {"PYTHONPATH": str(out)}
    args = application["args"]
    assert (args["engine"], args["model"], args["name"]) == ("vllm", "org/model", "model")
    assert (args["min_replicas"], args["max_replicas"], args["slots"]) == (2, 9, 64)
    assert args["gpus"] == 1.0
    assert args["flags"] == ["--quantization=fp8"]
    assert args["forecast"] == "http://gate/api/admin/capacity/forecast"


def test_llama_cpp_needs_no_gpu_and_a_file_that_is_there(tmp_path: Path) -> None:
    gguf = tmp_path / "tiny.gguf"
    gguf.write_bytes(tiny_gguf())
    out = tmp_path / "out"
    done = run("--out", str(out), "--engine", "llama_cpp", "--model", str(gguf), "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.output)["files"]) == 3
    args = yaml.safe_load((out / "serve.yaml").read_text())["applications"][0]["args"]
    assert (args["model"], args["gpus"]) == (str(gguf), 0.0)


def test_a_model_that_is_not_here_is_named(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path), "--engine", "llama_cpp", "--model", "no-such-model")
    assert done.exit_code == 1
    assert "no-such-model" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("replicas", ["0:1", "3:2", "x", "1:99999", "", "-1:2", "1.5"])
def test_impossible_replicas_are_a_wrong_command_line(replicas: str, tmp_path: Path) -> None:
    assert run("--out", str(tmp_path), "--model", "m", f"--replicas={replicas}").exit_code == 2


def test_what_somebody_changed_is_kept(tmp_path: Path) -> None:
    assert run("--out", str(tmp_path), "--model", "m").exit_code == 0
    assert run("--out", str(tmp_path), "--model", "m").exit_code == 0, "the same again is no change"
    (tmp_path / "serve.yaml").write_text("mine")
    done = run("--out", str(tmp_path), "--model", "m")
    assert done.exit_code == 1
    assert "--force" in done.output
    assert (tmp_path / "serve.yaml").read_text() == "mine"
    assert run("--out", str(tmp_path), "--model", "m", "--force").exit_code == 0
    assert (tmp_path / "serve.yaml").read_text() != "mine"


def test_values_cannot_break_out_of_the_file(tmp_path: Path) -> None:
    name = 'a"b\n      evil: true # {{'
    assert run("--out", str(tmp_path), "--model", "m", "--name", name).exit_code == 0
    args = yaml.safe_load((tmp_path / "serve.yaml").read_text())["applications"][0]["args"]
    assert args["name"] == name
    assert "evil" not in args


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("--out", str(tmp_path / "file" / "below"), "--model", "m")
    assert done.exit_code == 1
    assert "cannot be written" in done.output
