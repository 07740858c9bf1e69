"""O9: conversations stay with the engine that has read them; what losing one of four costs."""

from __future__ import annotations

import random
import time

import msgspec

from bench.gate.arrivals import work_s
from bench.gate.house import Mocks, ladder_off, people
from bench.gate.rig import Rig, goal
from bench.gate.spec import Caller, Send
from bench.gateway.load import quantiles
from bench.gateway.report import Goal

NUM_ENGINES = 4
CACHE_TOKENS = 60_000  # of an engine: its share of the conversations fits, all of them do not
NUM_CONVERSATIONS = 160
LOAD = 0.6
SPAN_S = 24.0
LOST_AT = 0.7  # of the span
AFTER_S = 4.0
ASK_TOKENS, REPLY_TOKENS = 60, 120
COMPRESSION = 2.0  # four engines are four times the events


class Routing(msgspec.Struct, kw_only=True):
    """Share of the prompt tokens that were cached, and work of the busiest engine over the mean."""

    hits: float
    hits_least_loaded: float
    max_over_mean: float
    rebind_s: float
    num_after_loss: int
    num_errors: int
    details: list[str]
    void: str = ""


def routing(rig: Rig) -> Routing:
    """The same conversations through the gate over four engines, and to the least loaded one."""
    rig = rig.at(COMPRESSION)
    span_s = rig.span_s(SPAN_S)
    lost_s = span_s * LOST_AT
    sends = _conversations(rig, span_s)
    hits_least_loaded = _least_loaded(rig, [x for x in sends if x.at_s < lost_s])
    mocks = rig.mocks(NUM_ENGINES, prefix_tokens=CACHE_TOKENS)
    try:
        house = rig.house(mocks, people("plus", 40), ladder_off)
        try:
            callers = rig.callers(house.everybody)
            began = time.monotonic()
            with rig.replaying(house.port, sends, callers) as under_way:
                time.sleep(max(0.0, began + lost_s - time.monotonic()))
                stats = [mocks.engine(number).stats() for number in range(NUM_ENGINES)]
                lost_at = time.monotonic()
                mocks.kill(0)
                came = under_way.result()
        finally:
            house.stop()
    finally:
        mocks.stop()
    lost_s = lost_at - came.began_at
    after = [x for x in came.attempts if lost_s <= x.due_s < lost_s + AFTER_S and x.first_s >= 0]
    errors = [each for each in came.attempts if each.outcome != "ok"]
    work = [work_s(int(each["prefilled"]), int(each["tokens"]), rig.cost) for each in stats]
    return Routing(
        hits=_share(stats),
        hits_least_loaded=hits_least_loaded,
        max_over_mean=round(max(work) * len(work) / max(sum(work), 1e-9), 3),
        rebind_s=round(quantiles([each.first_s - each.due_s for each in after]).max, 3),
        num_after_loss=len(after),
        num_errors=len(errors),
        details=sorted({f"{x.outcome} {x.status} {x.detail}"[:120] for x in errors})[:4],
        void=came.void,
    )


def _least_loaded(rig: Rig, sends: list[Send]) -> float:
    """The share of hits where a turn goes to the engine with the fewest, whatever it has read."""
    words = f"--replicas {NUM_ENGINES}".split()
    mocks = Mocks(
        rig.work_dir / "least-loaded",
        1,
        rig.load_cpu,
        *f"--mode paced --compression {rig.compression} --reply-tokens 4000".split(),
        *f"--prefix-tokens {CACHE_TOKENS}".split(),
        *words,
    )
    try:
        rig.replay(mocks.ports[0], sends, [Caller(group="paid") for _ in range(40)])
        return _share([mocks.engine().stats()])
    finally:
        mocks.stop()


def _share(stats: list[dict[str, float]]) -> float:
    cached = sum(each["cached"] for each in stats)
    read = sum(each["prefilled"] for each in stats)
    return round(cached / max(1.0, cached + read), 4)


def _conversations(rig: Rig, span_s: float) -> list[Send]:
    """Many going on at once, each turn with all that was said before; an old one is dropped now
    and then and a new one begun."""
    dice = random.Random(rig.seed + 3)
    turns = [dice.randrange(8) for _ in range(NUM_CONVERSATIONS)]
    names = list(range(NUM_CONVERSATIONS))
    each_s = work_s(300, REPLY_TOKENS, rig.cost)  # most of the prompt is in a cache
    rate = LOAD * NUM_ENGINES * rig.cap / each_s
    sends = []
    now = 0.0
    while now < span_s:
        now += dice.expovariate(rate)
        at = dice.randrange(NUM_CONVERSATIONS)
        sends.append(Send(now, ASK_TOKENS, REPLY_TOKENS, at % 40, names[at], turns[at]))
        turns[at] += 1
        if turns[at] > 9:
            names[at], turns[at] = max(names) + 1, 0
    return sends


def goals(found: Routing) -> dict[str, Goal]:
    """O9."""
    ratio = found.hits / max(found.hits_least_loaded, 1e-6)
    lines = {
        "O9.hits_ratio": goal(
            ratio,
            ">= 2",
            ratio >= 2,
            {"least loaded": 1.0},
            f"{found.hits:.3f} of the prompt tokens against {found.hits_least_loaded:.3f}",
        ),
        "O9.max_over_mean_work": goal(found.max_over_mean, "<= 1.1", found.max_over_mean <= 1.1),
        "O9.rebind_s": goal(
            found.rebind_s,
            "<= 1",
            found.rebind_s <= 1 and found.num_errors == 0,
            note=f"slowest first word of {found.num_after_loss} turns after the loss; "
            f"{found.num_errors} errors {found.details}",
        ),
    }
    ok = all(line.ok for line in lines.values())
    note = f"VOID: {found.void}" if found.void else "four engines, one killed"
    wanted = "hits >= 2 x least loaded, max/mean work <= 1.1, rebind <= 1 s"
    return {"O9": goal(ratio, wanted, ok, {"least loaded": 1.0}, note), **lines}
