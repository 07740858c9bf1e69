"""Where the engines' time went, for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from fireside.accounts.access import Rule
from fireside.accounts.repository import UserRepository
from fireside.billing.domain import UsageBy, UsageShare
from fireside.billing.repository import UsageRepository
from fireside.db.database import Database
from fireside.kit.clock import Clock

Db = NamedDependency[Database]
Now = NamedDependency[Clock]


class UsageShares(msgspec.Struct, frozen=True):
    """The largest users first. People are named by address, those who are gone by id."""

    rows: list[UsageShare]


class UsageController(Controller):
    """Where the engines' time went."""

    path = "/api/admin/capacity/usage"
    tags = ("capacity",)
    opt = {"rule": Rule.ADMIN}

    @get()
    async def usage(
        self,
        db: Db,
        clock: Now,
        by: FromQuery[UsageBy] = UsageBy.PLAN,
        days: Annotated[int, QueryParameter(ge=1, le=366)] = 1,
    ) -> UsageShares:
        """Seconds of engines, tokens and generations of the last days, split up."""
        now = clock.now()
        async with db.read() as tx:
            rows = await UsageRepository().shares(tx, by, now - timedelta(days=days), now)
            if by is UsageBy.USER:
                emails = await UserRepository().emails(tx, (row.name for row in rows))
                rows = [
                    msgspec.structs.replace(row, name=emails.get(row.name, row.name))
                    for row in rows
                ]
        return UsageShares(rows)


CONTROLLERS = (UsageController,)
"""What the application mounts."""
