"""Hashing: off the event loop, the same work for everybody, never too much at once."""

from __future__ import annotations

import anyio
import pytest

from fireside.accounts.passwords import Passwords
from fireside.accounts.settings import AccountsSettings
from fireside.errors import Bug, CapacityExhausted
from tests.accounts.conftest import FAST

pytestmark = pytest.mark.anyio


async def test_only_the_right_password_matches() -> None:
    passwords = Passwords(FAST)
    stored = await passwords.hash("correct horse")
    assert stored != await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horse ")
    assert not await passwords.verify(None, "correct horse")


async def test_an_account_that_does_not_exist_costs_the_same_work() -> None:
    """The work of argon2 is in the parameters of the encoded hash, all but salt and digest."""
    passwords = Passwords(AccountsSettings(argon2_memory_kib=64, argon2_passes=3))
    real = (await passwords.hash("correct horse")).split("$")
    nobodys = passwords.nobodys_hash.split("$")
    assert real[:4] == nobodys[:4] == ["", "argon2id", "v=19", "m=64,t=3,p=1"]
    assert [len(part) for part in real] == [len(part) for part in nobodys]
    assert Passwords(FAST).nobodys_hash != Passwords(FAST).nobodys_hash


async def test_a_hash_of_other_parameters_is_outdated() -> None:
    stored = await Passwords(FAST).hash("correct horse")
    assert not Passwords(FAST).is_outdated(stored)
    assert Passwords(AccountsSettings()).is_outdated(stored)


@pytest.mark.parametrize("stored", ["", "plain text", "$argon2id$v=19$m=8,t=1,p=1$broken"])
async def test_a_stored_hash_that_cannot_be_read_is_our_fault(stored: str) -> None:
    with pytest.raises(Bug):
        await Passwords(FAST).verify(stored or " ", "correct horse")


async def test_the_server_goes_on_while_passwords_are_hashed() -> None:
    passwords = Passwords(AccountsSettings(argon2_memory_kib=19_456, argon2_passes=4))
    num_steps = 0

    async def tick() -> None:
        nonlocal num_steps
        while True:
            await anyio.sleep(0)
            num_steps += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        before = num_steps
        await passwords.hash("correct horse")
        after = num_steps
        tasks.cancel_scope.cancel()
    assert after - before > 10


async def test_beyond_the_queue_people_are_asked_to_come_back() -> None:
    passwords = Passwords(AccountsSettings(hashing_threads=1, hashing_queue=2))
    outcomes: list[str] = []

    async def hash() -> None:
        try:
            await passwords.hash("correct horse")
            outcomes.append("done")
        except CapacityExhausted as error:
            assert error.retry_after_s
            outcomes.append("busy")

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(hash)
    assert outcomes.count("done") == 3
    assert outcomes.count("busy") == 7
