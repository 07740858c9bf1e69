"""Settings of the database."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where conversations are kept and how carefully."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="SQLAlchemy URL, for example postgresql+asyncpg://user:password@host/name. "
            "Empty: SQLite in the data directory."
        ),
    ] = ""
    pool_size: Annotated[
        int, msgspec.Meta(ge=1, le=200, description="Connections kept open for reading.")
    ] = 5
    sqlite_synchronous: Annotated[
        Literal["NORMAL", "FULL"],
        msgspec.Meta(
            description="FULL survives a power cut at every commit; NORMAL survives a killed "
            "process at every commit, a power cut up to the last checkpoint."
        ),
    ] = "FULL"
    statement_timeout_s: Annotated[
        float, msgspec.Meta(gt=0, le=600, description="A statement that takes longer is stopped.")
    ] = 15.0
