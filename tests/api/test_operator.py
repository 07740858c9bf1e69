"""Health, readiness and metrics."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide

from fireside.accounts.access import check_access
from fireside.api.errors import exception_handlers
from fireside.api.metrics import EngineFigures, Metrics, Probes
from fireside.api.operator import operator_controllers
from fireside.api.settings import ApiSettings
from fireside.engine.errors import NoEngine
from fireside.engine.ports import EngineLoad
from fireside.kit.clock import SystemClock
from tests.api.conftest import ADMIN_KEY, KEY, Server

ASK = [{"role": "user", "content": "Hi"}]


def test_a_living_process_is_healthy_and_ready(server: Server) -> None:
    assert httpx.get(server.url + "/healthz").json() == {"ok": True}
    ready = httpx.get(server.url + "/readyz")
    assert ready.status_code == 200
    assert ready.json()["ready"]


def test_a_server_without_an_engine_is_alive_and_says_why_it_is_not_ready(server: Server) -> None:
    server.catalog.replace([], excuse=NoEngine("The model is being fetched."))
    assert httpx.get(server.url + "/healthz").status_code == 200
    reply = httpx.get(server.url + "/readyz")
    assert reply.status_code == 503
    assert reply.json() == {
        "ready": False,
        "checks": [
            {"name": "database", "ok": True, "reason": ""},
            {"name": "engine", "ok": False, "reason": "The model is being fetched."},
        ],
    }


def samples(server: Server, key: str = ADMIN_KEY) -> dict[str, float]:
    """The metrics page as sample to value."""
    reply = httpx.get(server.url + "/metrics", headers={"authorization": f"Bearer {key}"})
    assert reply.status_code == 200
    lines = (line.rsplit(" ", 1) for line in reply.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_what_happens_is_on_the_metrics_page(server: Server) -> None:
    server.metrics.probes = Probes(
        num_running_turns=lambda: 2,
        journal_lag_s=lambda: 0.25,
        engines=lambda: [
            EngineFigures("told", up=True, num_restarts=3),
            EngineFigures("busy", up=True, load=EngineLoad(running=7, waiting=2, kv_used=0.5)),
        ],
        num_usage_dropped=lambda: 4,
        num_log_lines_dropped=lambda: 5,
    )
    with server.client() as client:
        client.chat.completions.create(model="able", messages=ASK)
        list(client.chat.completions.create(model="able", messages=ASK, stream=True))
        httpx.get(server.url + "/v1/models/nope", headers={"authorization": f"Bearer {KEY}"})
        httpx.get(server.url + "/a/path/nobody/knows")
    seen = samples(server)
    chat = 'method="POST",route="/v1/chat/completions",status="200"'
    assert seen[f"fireside_requests_total{{{chat}}}"] == 2
    assert seen['fireside_requests_total{method="GET",route="(none)",status="404"}'] == 1
    assert seen['fireside_tokens_total{kind="prompt",model="able"}'] == 14
    assert seen['fireside_tokens_total{kind="completion",model="able"}'] == 8
    assert seen['fireside_tokens_total{kind="cached",model="able"}'] == 4
    assert seen['fireside_ttft_seconds_count{model="able"}'] == 2
    assert seen['fireside_inter_token_seconds_count{model="able"}'] == 2
    ended = 'feature="api_chat",model="able",status="complete"'
    assert seen[f"fireside_generations_total{{{ended}}}"] == 2
    assert seen["fireside_running_generations"] == 2
    assert seen["fireside_journal_lag_seconds"] == 0.25
    assert seen['fireside_engine_up{engine="told"}'] == 1
    assert seen['fireside_engine_restarts_total{engine="told"}'] == 3
    assert seen['fireside_engine_running{engine="busy"}'] == 7
    assert seen['fireside_engine_waiting{engine="busy"}'] == 2
    assert seen['fireside_engine_kv_used{engine="busy"}'] == 0.5
    assert not any("slots" in name or "hit_rate" in name for name in seen), "they were not stated"
    assert seen["fireside_usage_dropped_total"] == 4
    assert seen["fireside_log_lines_dropped_total"] == 5
    assert not any("nobody" in name or "nope" in name for name in seen)


def test_metrics_are_for_administrators_keys_with_that_scope(server: Server) -> None:
    assert httpx.get(server.url + "/metrics").status_code == 401
    reply = httpx.get(server.url + "/metrics", headers={"authorization": f"Bearer {KEY}"})
    assert reply.status_code == 403


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 401)])
async def test_a_setting_opens_metrics_to_this_machine_only(host: str, status: int) -> None:
    app = Litestar(
        operator_controllers(ApiSettings(metrics_on_loopback=True))[1:],
        guards=[check_access],
        exception_handlers=exception_handlers(SystemClock()),
        dependencies={"metrics": Provide(Metrics, sync_to_thread=False)},
        logging_config=None,
        openapi_config=None,
    )
    transport = httpx.ASGITransport(app=app, client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/metrics")).status_code == status


def test_every_metric_is_in_the_guide(server: Server) -> None:
    with server.client() as client:
        client.chat.completions.create(model="able", messages=ASK)
    page = httpx.get(server.url + "/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"}).text
    exposed = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    guide = Path(__file__).resolve().parents[2] / "docs" / "guide" / "metrics.md"
    described = set(re.findall(r"^\| `(\w+)`", guide.read_text(), re.MULTILINE))
    helpers = {name for name in exposed if name.endswith("_created")}
    assert exposed - helpers == described
