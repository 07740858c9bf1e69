"""How many replicas the engines need; only the standard library, and run by Ray's controller."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

REFRESH_S = 30.0
STALE_S = 900.0
MAX_FORECAST_BYTES = 4 * 1024 * 1024
LEAD = timedelta(minutes=15)  # a replica that is wanted then is started now


class GatePolicy:
    """How many replicas there should be; lives in Ray Serve's controller.

    The larger of two needs: slots in use now, and slots that the gate's forecast asks for soon. A
    forecast that cannot be read, or is old, counts for nothing.
    """

    def __init__(self, slots: int, forecast: str = "", forecast_key_file: str = "") -> None:
        self._slots = slots
        self._source = forecast
        self._key_file = forecast_key_file
        self._slots_needed = 0.0
        self._read_at_s = -STALE_S
        if forecast:
            threading.Thread(target=self._follow, daemon=True).start()

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """Called about ten times a second, so it never waits. Ray applies bounds and delays."""
        fresh = time.monotonic() - self._read_at_s < STALE_S
        by_load = math.ceil(context.total_num_requests / self._slots)
        by_forecast = math.ceil(self._slots_needed / self._slots) if fresh else 0
        return max(by_load, by_forecast), {"by_load": by_load, "by_forecast": by_forecast}

    def _follow(self) -> None:
        while True:
            try:
                self._slots_needed = slots_needed(self._read(), datetime.now().astimezone())
                self._read_at_s = time.monotonic()
            except (OSError, ValueError, TypeError, KeyError) as failure:
                print(f"fireside: the forecast cannot be read: {failure}", file=sys.stderr)
            time.sleep(REFRESH_S)

    def _read(self) -> Any:
        if not self._source.startswith(("http://", "https://")):
            return json.loads(Path(self._source).read_bytes()[:MAX_FORECAST_BYTES])
        headers = {}
        if self._key_file:
            headers["authorization"] = f"Bearer {Path(self._key_file).read_text().strip()}"
        request = urllib.request.Request(self._source, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read(MAX_FORECAST_BYTES))


def slots_needed(forecast: Any, now: datetime) -> float:
    """The most slots that are asked for between now and `LEAD` from now.

    `forecast` is {"slots_needed": 12}, or {"hours": [{"at": ..., "slots_needed": 12}, ...]} as
    GET /api/admin/capacity/forecast says it, each hour beginning at `at`. Raises ValueError.
    """
    if isinstance(forecast, dict) and "slots_needed" in forecast:
        return _checked(forecast["slots_needed"])
    hours = forecast.get("hours") if isinstance(forecast, dict) else None
    if not isinstance(hours, list):
        raise ValueError("neither slots_needed nor hours in it")
    found = [0.0]
    for hour in hours:
        begins = datetime.fromisoformat(hour["at"])
        soon = begins <= now + LEAD and now < begins + timedelta(hours=1)
        if soon and hour.get("slots_needed") is not None:
            found.append(_checked(hour["slots_needed"]))
    return max(found)


def _checked(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{value!r} is not a number of slots")
    return number
