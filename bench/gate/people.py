"""Makes many accounts with keys and plans at once, in the data directory of the environment.

    python -m bench.gate.people < people.json > people-with-keys.json

By the product's own rooms, but without passwords: hashing a thousand of them takes a minute.
"""

from __future__ import annotations

import sys

import msgspec
from sqlalchemy import update

from bench.gate.house import Person
from fireside.accounts.domain import Preferences, User, UserRole, UserStatus
from fireside.accounts.tables import UserRow
from fireside.cli.user import Room, in_room
from fireside.conversation.message import UserId
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id


def main() -> None:
    """Read people, make them, write them with their keys."""
    everybody = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Person])

    async def work(room: Room) -> None:
        accounts = room.people.accounts
        async with room.db.write() as tx:
            for person in everybody:
                user = User(
                    id=UserId(new_id()),
                    email=person.email,
                    name=person.email.partition("@")[0],
                    role=UserRole.MEMBER,
                    status=UserStatus.ACTIVE,
                    preferences=Preferences(),
                    created_at=SystemClock().now(),
                )
                await accounts.users.insert(tx, user, None)
                _key, person.key = await accounts.create_key(tx, user, "bench")
                if hasattr(UserRow, "plan") and person.plan:
                    put = update(UserRow).where(UserRow.id == user.id).values(plan=person.plan)
                    await tx.execute(put)

    in_room(None, work)
    sys.stdout.buffer.write(msgspec.json.encode(everybody) + b"\n")


if __name__ == "__main__":
    main()
