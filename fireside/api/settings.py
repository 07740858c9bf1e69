"""Settings of the HTTP edge."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of requests and who may read figures without signing in."""

    max_body_bytes: Annotated[
        int,
        msgspec.Meta(
            ge=1024, le=1 << 30, description="A request body larger than this is refused unread."
        ),
    ] = 32 * 1024 * 1024
    max_body_commas: Annotated[
        int,
        msgspec.Meta(
            ge=1000,
            description="A /v1 request with more commas than this is refused: millions of tiny "
            "values would hold up everybody while they are decoded. Raise it for models that read "
            "more than 100,000 tokens of tables.",
        ),
    ] = 100_000
    keep_alive_s: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=3600,
            description="A stream of the developer's API that says nothing for so long gets a "
            "comment, so that proxies do not close it.",
        ),
    ] = 15.0
    metrics_on_loopback: Annotated[
        bool,
        msgspec.Meta(
            description="GET /metrics needs no key when it comes from this machine itself. "
            "Leave it off behind a proxy on the same machine."
        ),
    ] = False
    log_requests: Annotated[
        bool, msgspec.Meta(description="Write one line of JSON to stderr for each request.")
    ] = True
