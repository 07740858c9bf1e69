"""The files of deploy/, read as their tools read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE_FILE = DEPLOY / "compose" / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
GPU = "nvidia.com/gpu"

Tree = dict[str, Any]


def compose() -> Tree:
    """The compose file, merged."""
    return yaml.safe_load(COMPOSE_FILE.read_text())  # type: ignore[no-any-return]


def resources() -> list[Tree]:
    """Every Kubernetes resource that kustomization.yaml names, and the template of the Secret."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    names = [*listed, "secret.example.yaml"]
    return [each for name in names for each in yaml.safe_load_all((KUBERNETES / name).read_text())]


def of_kind(*kinds: str) -> list[Tree]:
    """Every resource of these kinds."""
    return [each for each in resources() if each["kind"] in kinds]


def named(kind: str, name: str) -> Tree:
    """One resource."""
    (found,) = [each for each in of_kind(kind) if each["metadata"]["name"] == name]
    return found


def pods() -> Iterator[tuple[str, Tree]]:
    """The name of each workload and its pod template."""
    for each in of_kind("Deployment", "StatefulSet"):
        yield each["metadata"]["name"], each["spec"]["template"]


def labels() -> dict[str, dict[str, str]]:
    """The labels of the pods of each workload."""
    return {name: pod["metadata"]["labels"] for name, pod in pods()}


def container(pod: Tree) -> Tree:
    """The one container of a pod."""
    (only,) = pod["spec"]["containers"]
    return only  # type: ignore[no-any-return]
