"""GET /api/admin/live of the whole application."""

from __future__ import annotations

from pathlib import Path

import httpx

from fireside.app import asgi, build
from fireside.settings import load
from tests.api.conftest import running


def test_an_administrator_sees_live_figures_and_nobody_else(
    sqlite_url: str, tmp_path: Path
) -> None:
    given = {"db.url": sqlite_url, "data_dir": str(tmp_path), "engine.embedded": "false"}
    settings, _sources = load(given, environ={})
    with running(asgi(build(settings))) as url, httpx.Client(base_url=url) as client:
        client.headers["origin"] = url
        assert client.get("/api/admin/live").status_code == 401
        person = {"email": "ann@example.com", "password": "a long password 1", "name": "Ann"}
        assert client.post("/api/auth/sign-up", json=person).status_code == 201
        seen = client.get("/api/admin/live").json()
        assert (seen["users"], seen["conversations"], seen["messages"]) == (1, 0, 0)
        assert (seen["running_turns"], seen["running_generations"]) == (0, 0)
        assert seen["ttft_ms_p50"] is None
        assert seen["uptime_s"] > 0
        assert len(seen["series"]) == 60
        assert set(seen["series"][0]) == {"at", "tokens_per_s", "requests_per_s", "running"}
        assert seen["engines"] == []
        client.cookies.clear()
        member = {**person, "email": "ben@example.com"}
        assert client.post("/api/auth/sign-up", json=member).status_code in {201, 403}
        assert client.get("/api/admin/live").status_code in {401, 403}
