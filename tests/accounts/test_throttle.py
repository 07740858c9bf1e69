"""Guessing passwords gets slow; the owner of the account does not pay for it."""

from __future__ import annotations

import anyio
import httpx
import pytest

from fireside.accounts.settings import AccountsSettings
from fireside.accounts.throttle import SignInThrottle, network_of
from fireside.db.database import Database
from fireside.errors import LimitReached
from fireside.kit.clock import FakeClock
from tests.accounts.conftest import PASSWORD, Instance

pytestmark = pytest.mark.anyio

HOME = "203.0.113.5"


async def try_to_sign_in(instance: Instance, address: str, password: str) -> httpx.Response:
    async with instance.client(address) as client:
        return await client.post(
            "/api/auth/sign-in", json={"email": "admin@example.org", "password": password}
        )


async def test_guessing_is_stopped_and_allowed_again_after_the_window(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    for _ in range(10):
        assert (await try_to_sign_in(instance, "192.0.2.1", "guess")).status_code == 401
    stopped = await try_to_sign_in(instance, "192.0.2.1", PASSWORD)
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 900
    instance.clock.advance(901)
    assert (await try_to_sign_in(instance, "192.0.2.1", PASSWORD)).status_code == 200


async def test_parallel_guesses_do_not_slip_past(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    statuses: list[int] = []

    async def guess() -> None:
        statuses.append((await try_to_sign_in(instance, "192.0.2.1", "guess")).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(guess)
    assert statuses.count(401) == 10
    assert statuses.count(429) == 30


async def test_right_passwords_use_nothing_up(instance: Instance, admin: httpx.AsyncClient) -> None:
    for _ in range(15):
        assert (await try_to_sign_in(instance, HOME, PASSWORD)).status_code == 200


async def test_an_attack_from_many_addresses_does_not_lock_the_owner_out_at_home(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    assert (await try_to_sign_in(instance, HOME, PASSWORD)).status_code == 200
    statuses = [
        (await try_to_sign_in(instance, f"198.51.100.{number}", "guess")).status_code
        for number in range(40)
    ]
    assert statuses.count(401) == 30
    assert statuses.count(429) == 10
    assert (await try_to_sign_in(instance, "192.0.2.99", PASSWORD)).status_code == 429
    assert (await try_to_sign_in(instance, HOME, PASSWORD)).status_code == 200


async def test_being_turned_away_by_a_busy_server_is_no_failure(
    database: Database, clock: FakeClock
) -> None:
    settings = AccountsSettings(hashing_threads=1, hashing_queue=1, argon2_memory_kib=19_456)
    instance = Instance(database, clock, settings)
    async with instance.person("admin@example.org"):
        statuses: list[int] = []

        async def sign_in() -> None:
            statuses.append((await try_to_sign_in(instance, HOME, PASSWORD)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(sign_in)
        assert statuses.count(429) > 0
        for _ in range(10):
            assert (await try_to_sign_in(instance, HOME, PASSWORD)).status_code == 200


async def test_one_address_cannot_try_many_accounts() -> None:
    settings = AccountsSettings(sign_in_failures_per_address=20)
    throttle = SignInThrottle(settings, FakeClock())
    for number in range(20):
        throttle.begin(f"account{number}", "192.0.2.1")
    with pytest.raises(LimitReached):
        throttle.begin("another", "192.0.2.1")
    throttle.begin("another", "192.0.2.2")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
async def test_an_ipv6_network_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network
