"""What well-kept linters and the published schemas say about deploy/."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.deploy.manifests import COMPOSE_FILE, DEPLOY, KUBERNETES, resources

CONFIG = YamlLintConfig(file=str(DEPLOY / ".yamllint.yaml"))
YAML_FILES = sorted(DEPLOY.rglob("*.yaml"))
OLDEST_KUBERNETES = "1.31"


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_yamllint(path: Path) -> None:
    problems = linter.run(path.read_text(), CONFIG, str(path))
    assert [str(each) for each in problems] == []


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
def test_every_kubernetes_resource_fits_its_schema(version: str) -> None:
    for each in resources():
        kubernetes_validate.validate(each, version, strict=True)


def test_the_compose_file_fits_the_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(COMPOSE_FILE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [str(program), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_kustomize_renders_everything() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert len(rendered) == len(resources()) - 1, "all but the template of the Secret"
    assert "registry.example.org/fireside:0.1.0" in done.stdout
    spaces = {each["metadata"].get("namespace") for each in rendered if each["kind"] != "Namespace"}
    assert spaces == {"fireside"}
