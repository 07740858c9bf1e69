"""A signed-in page, as far as the gate's benchmark needs one."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from typing import Any

import msgspec

from bench.gateway.targets import PASSWORD

PLACE = b"event: queue"
TEXT = b'"text":'


class Line(msgspec.Struct):
    """What a person saw first after sending: a place in line, words, or a refusal, and when."""

    kind: str
    after_s: float
    place: dict[str, Any] = {}


class Browser:
    """One person's cookie."""

    def __init__(self, port: int, email: str) -> None:
        self.port = port
        self._email = email
        self._cookie = ""

    def sign_in(self) -> None:
        """Get the cookie. Raises RuntimeError."""
        self._cookie = ""
        status, answer = self.call(
            "POST", "/api/auth/sign-in", {"email": self._email, "password": PASSWORD}
        )
        if status not in {200, 201, 204}:
            raise RuntimeError(f"{self._email} cannot sign in: {status} {answer}.")

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float = 20
    ) -> tuple[int, Any]:
        """A request and its answer, parsed where it is JSON. Raises OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            data = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, data, self._headers())
            response = connection.getresponse()
            text = response.read()
            if cookie := response.getheader("Set-Cookie"):
                self._cookie = cookie.partition(";")[0]
            if "json" in (response.getheader("Content-Type") or ""):
                return response.status, json.loads(text)
            return response.status, text.decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def ask(self, text: str, within_s: float = 3.0) -> Line:
        """Send a message and look at what the page is told first; then close it and leave."""
        began = time.monotonic()
        request_id = str(uuid.uuid4())
        ask: dict[str, Any] = {"kind": "send", "request_id": request_id, "text": text}
        ask |= {"conversation_id": None, "parent_id": None}
        status, started = self.call("POST", "/api/turns", ask)
        if status >= 300:
            return Line(f"refused {status}", time.monotonic() - began)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        try:
            path = f"/api/turns/{started['turn_id']}/events?after=0"
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            seen = b""
            while piece := response.read1(4096):
                seen += piece
                after_s = time.monotonic() - began
                if (at := seen.find(PLACE)) >= 0 and seen.find(b"\n\n", at) > 0:
                    return Line("place", after_s, _data(seen[at:]))
                if TEXT in seen:
                    return Line("words", after_s)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        return Line("nothing", time.monotonic() - began)

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Sec-Fetch-Site": "same-origin",
            "Origin": f"http://127.0.0.1:{self.port}",
            "Cookie": self._cookie,
        }


def _data(frame: bytes) -> dict[str, Any]:
    at = frame.find(b"data: ")
    try:
        found = json.loads(frame[at + 6 :].split(b"\n")[0])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
