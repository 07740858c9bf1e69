from __future__ import annotations

import anyio
import pytest

from fireside.kit.pubsub import MAX_QUEUED, Broker

pytestmark = pytest.mark.anyio


async def test_who_listens_hears_its_own_topics_in_order():
    broker = Broker()
    with broker.subscribe("a", "everyone") as mine, broker.subscribe("b") as other:
        broker.publish("a", b"1")
        broker.publish("b", b"2")
        broker.publish("everyone", b"3")
        heard = aiter(mine)
        assert [await anext(heard), await anext(heard)] == [b"1", b"3"]
        assert await anext(aiter(other)) == b"2"
    broker.publish("a", b"nobody is there")


async def test_a_slow_listener_is_told_that_it_lost_messages_and_holds_nobody_up():
    broker = Broker()
    with broker.subscribe("a") as slow:
        for number in range(MAX_QUEUED + 1):
            broker.publish("a", b"%d" % number)
        heard = aiter(slow)
        assert await anext(heard) is None
        broker.publish("a", b"after")
        assert await anext(heard) == b"after"


async def test_a_waiting_listener_is_woken():
    broker = Broker()
    heard: list[bytes | None] = []

    async def listen() -> None:
        with broker.subscribe("a") as subscription:
            async for message in subscription:
                heard.append(message)
                return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        broker.publish("a", b"hello")
    assert heard == [b"hello"]
