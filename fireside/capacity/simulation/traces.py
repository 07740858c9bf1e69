"""Reading demand from files: traces of requests, and tables of clients' rates and sizes."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from fireside.capacity.simulation.arrivals import (
    Quantiles,
    Rates,
    Row,
    chat_rows,
    client_rows,
    curve_rows,
)
from fireside.errors import UserError

CHAT = "azure2023_conv"
NUM_GENERATED = 20_000
NUM_CLIENT_ROWS = 60_000
SERVEGEN_WINDOW_S = 600.0
SERVEGEN_SPAN_S = 4 * 3600.0
MINUTE_S = 60.0
# One trace file for each name that a scenario may begin with.
FILES = {
    "chat": CHAT,
    "code": "azure2023_code",
    "arena": "vtc_lmsys_27clients",
    "burst": "burstgpt1_week1_minute_tokens",
    "days": "burstgpt1_daily",
    "hours": "burstgpt1_hourly_mean",
    "clients": "servegen_language_m-small",
    "pictures": "servegen_multimodal_mm-image",
}


class TraceRefused(UserError):
    """A file that cannot be read as a trace."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            "trace_refused",
            f"{path} cannot be read as a trace: {reason}",
            hint="It needs the columns t_s, prompt_tokens and output_tokens, in order of time.",
        )


class Traces:
    """The traces in a folder. `notes` says what was generated because a file is not there."""

    def __init__(self, folder: Path | None, seed: int = 0) -> None:
        self.notes: list[str] = []
        self._folder = folder
        self._seed = seed
        self._read: dict[str, list[Row]] = {}

    def rows(self, name: str) -> list[Row]:
        """The rows of the trace a scenario calls `name`, made up where its file is missing."""
        if name not in self._read:
            self._read[name] = self._rows(name)
        return self._read[name]

    def _rows(self, name: str) -> list[Row]:
        stem = FILES[name]
        if name in {"clients", "pictures"}:
            rates, sizes = self._path(f"{stem}_client_rates"), self._path(f"{stem}_token_quantiles")
            if rates is not None and sizes is not None:
                return self._clients(_read_rates(rates), _read_quantiles(sizes))
        elif (path := self._path(stem)) is not None:
            if name in {"burst", "days", "hours"}:
                return self._along(path)
            return list(read_trace(path))
        self.notes.append(
            f"{stem}.csv.gz is not there: arrivals with the statistics of a public chat trace "
            "were generated instead."
        )
        return chat_rows(NUM_GENERATED, self._seed)

    def _clients(self, rates: list[Rates], sizes: list[Quantiles]) -> list[Row]:
        """The first hours; of every window as much as makes a demand of a handy length."""
        first = [each for each in rates if each.start_s < SERVEGEN_SPAN_S]
        total = sum(each.rate_rps for each in first) * SERVEGEN_WINDOW_S
        part = min(1.0, NUM_CLIENT_ROWS / total)
        short = [msgspec.structs.replace(each, start_s=each.start_s * part) for each in first]
        return client_rows(short, sizes, SERVEGEN_WINDOW_S * part, self._seed)

    def _path(self, stem: str) -> Path | None:
        if self._folder is None:
            return None
        path = self._folder / f"{stem}.csv.gz"
        return path if path.exists() else None

    def _along(self, path: Path) -> list[Row]:
        """A curve of how much was asked for, as arrivals with the sizes of the chat trace.

        One step of the curve is stretched to a minute; what counts is its form.
        """
        levels: dict[int, float] = {}
        with _open(path) as lines:
            for line in csv.reader(lines):
                if line[0].isdigit():
                    levels[int(line[0])] = float(line[-1])
        most = max(levels.values())
        last = max(levels) + 1
        rate = NUM_GENERATED * most / (sum(levels.values()) * MINUTE_S)
        return list(
            curve_rows(
                lambda second: rate * levels.get(int(second // MINUTE_S), 0.0) / most,
                rate,
                last * MINUTE_S,
                self.rows("chat"),
                self._seed,
            )
        )


def read_trace(path: Path) -> Iterator[Row]:
    """The rows of any trace: t_s, prompt tokens, output tokens, perhaps a client; csv or csv.gz."""
    try:
        with _open(path) as lines:
            reader = csv.DictReader(lines)
            names = reader.fieldnames or []
            prompt = next((x for x in ("prompt_tokens", "prompt") if x in names), None)
            output = next((x for x in ("output_tokens", "output") if x in names), None)
            if "t_s" not in names or prompt is None or output is None:
                raise TraceRefused(path, "a column is missing")
            before = 0.0
            for line in reader:
                at = float(line["t_s"])
                if at < before:
                    raise TraceRefused(path, f"t_s goes back at line {reader.line_num}")
                before = at
                yield Row(at, int(line[prompt]), int(line[output]), line.get("client") or "")
    except (OSError, ValueError) as error:
        raise TraceRefused(path, str(error)) from error


def _open(path: Path) -> IO[str]:
    return gzip.open(path, "rt") if path.suffix == ".gz" else path.open()


def _read_rates(path: Path) -> list[Rates]:
    with _open(path) as lines:
        return [
            Rates(
                line["client"],
                float(line["window_start_s"]),
                float(line["rate_rps"]),
                line["dist_G_or_W"] == "G",
                float(line["shape"]),
            )
            for line in csv.DictReader(lines)
        ]


def _read_quantiles(path: Path) -> list[Quantiles]:
    """One row of quantiles for each client: its first window; pictures count as prompt."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    with _open(path) as lines:
        reader = csv.DictReader(lines)
        marks = [name for name in reader.fieldnames or [] if name.startswith("q")]
        for line in reader:
            values = tuple(float(line[mark]) for mark in marks)
            found.setdefault(line["client"], {}).setdefault(line["field"], values)
    sizes = []
    for client, fields in found.items():
        prompt = fields.get("input_tokens") or fields.get("text_tokens")
        if prompt is None or "output_tokens" not in fields:
            continue
        pictures = fields.get("image_tokens", (0.0,) * len(prompt))
        together = tuple(a + b for a, b in zip(prompt, pictures, strict=True))
        sizes.append(Quantiles(client, together, fields["output_tokens"]))
    return sizes
