"""Usage records in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from fireside.billing.domain import UsageBy, UsageEntry, UsageShare, UsageTotals
from fireside.billing.tables import UsageRecordRow
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import Bug

_INSERTS = {
    name: build(UsageRecordRow).on_conflict_do_nothing(index_elements=["id"])
    for name, build in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
"""Built once, by the database's name: building it anew costs more than running it."""


class UsageRepository:
    """Appends usage records and sums them up."""

    async def append(self, tx: Transaction, entries: Sequence[tuple[str, UsageEntry]]) -> None:
        """Write entries under the ids given with them; an id that is there already is skipped.

        So a batch whose commit was never confirmed can be written again. Raises Bug when the
        database refuses a value.
        """
        statement = _INSERTS[tx.dialect.name]
        try:
            await tx.execute(statement, [_row(id, entry) for id, entry in entries])
        except DBAPIError as error:
            outage = isinstance(error, OperationalError | InterfaceError)
            if outage or error.connection_invalidated:
                raise
            raise Bug("usage_refused", "The database refused a usage record.") from error

    async def totals(
        self, tx: ReadTransaction, user_id: UserId, since: datetime, until: datetime
    ) -> UsageTotals:
        """What one person used in [since, until)."""
        query = _sums(since, until).where(UsageRecordRow.user_id == user_id)
        row = (await tx.execute(query)).one()
        return UsageTotals(*map(int, row))

    async def totals_by_user(
        self, tx: ReadTransaction, since: datetime, until: datetime
    ) -> dict[UserId, UsageTotals]:
        """What everybody used in [since, until); who used nothing is not in it."""
        query = (
            _sums(since, until).add_columns(UsageRecordRow.user_id).group_by(UsageRecordRow.user_id)
        )
        rows = (await tx.execute(query)).all()
        return {UserId(row[-1]): UsageTotals(*map(int, row[:-1])) for row in rows}

    async def shares(
        self,
        tx: ReadTransaction,
        by: UsageBy,
        since: datetime,
        until: datetime,
        *,
        limit: int = 200,
    ) -> list[UsageShare]:
        """Who or what used how much in [since, until): the largest users of engines first."""
        name = _BY[by]
        engine_s = func.coalesce(func.sum(UsageRecordRow.engine_s), 0.0)
        tokens = func.coalesce(func.sum(UsageRecordRow.completion_tokens), 0)
        query = (
            select(name, engine_s, tokens, func.count())
            .where(UsageRecordRow.at >= since, UsageRecordRow.at < until)
            .group_by(name)
            .order_by(engine_s.desc(), tokens.desc(), name)
            .limit(limit)
        )
        return [
            UsageShare(str(row[0] or ""), float(row[1] or 0.0), int(row[2]), int(row[3]))
            for row in await tx.execute(query)
        ]


_BY = {
    UsageBy.PLAN: UsageRecordRow.plan,
    UsageBy.FEATURE: UsageRecordRow.feature,
    UsageBy.USER: UsageRecordRow.user_id,
    UsageBy.MODEL: UsageRecordRow.model,
}


def _sums(since: datetime, until: datetime) -> Select[int, int, int, int]:
    return select(
        func.count(),
        func.coalesce(func.sum(UsageRecordRow.prompt_tokens), 0),
        func.coalesce(func.sum(UsageRecordRow.cached_tokens), 0),
        func.coalesce(func.sum(UsageRecordRow.completion_tokens), 0),
    ).where(UsageRecordRow.at >= since, UsageRecordRow.at < until)


def _row(id: str, entry: UsageEntry) -> dict[str, object]:
    usage = entry.usage
    return {
        "id": id,
        "user_id": entry.user_id,
        "api_key_id": entry.api_key_id,
        "at": entry.at,
        "model": entry.model[:200],
        "release": entry.release[:200],
        "engine": entry.engine[:200],
        "feature": entry.feature.value,
        "status": entry.status.value,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "ttft_ms": usage.ttft_ms,
        "inter_token_ms": usage.inter_token_ms,
        "engine_s": entry.engine_s,
        "plan": entry.plan[:64] or None,
    }
