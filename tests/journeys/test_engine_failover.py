"""The engine is killed in mid-answer: the same answer goes on, and it is the model's own.

Greedy strings may differ where two tokens are almost equally likely (the arithmetic of a prompt
that is read at once differs in the last bits from that of tokens said one by one). So what is
compared are log-probabilities: as long as the two answers agree token by token, so must the model's
belief in each; where they part, the two tokens must have been near ties.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tests.api.bundled_server import MODEL, NEEDS_MODEL, BundledServer, bundled_server

pytestmark = NEEDS_MODEL

QUESTIONS = [
    "Write a short story about a lighthouse.",
    "Explain how bread is made, step by step.",
    "What is the difference between a lake and a sea?",
]
NUM_TOKENS = 48
TOLERANCE = 0.15  # nats; a 4-bit model, two ways through the same arithmetic
NEAR_TIE = 0.35


class Token(msgspec.Struct, frozen=True):
    text: str
    logprob: float
    others: dict[str, float]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BundledServer]:
    with bundled_server(tmp_path_factory.mktemp("data")) as server:
        yield server


def answer(
    server: BundledServer, question: str, at_token: Callable[[int], None] = lambda _: None
) -> list[Token]:
    """The streamed answer; `at_token` is told how many have come."""
    tokens: list[Token] = []
    stream = server.client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": question}],
        max_tokens=NUM_TOKENS,
        temperature=0,
        seed=1,
        logprobs=True,
        top_logprobs=10,
        stream=True,
    )
    for chunk in stream:
        for choice in chunk.choices:
            told = choice.logprobs.content if choice.logprobs else None
            for each in told or []:
                others = {top.token: top.logprob for top in each.top_logprobs}
                tokens.append(Token(each.token, each.logprob, others))
                at_token(len(tokens))
    return tokens


def check_agreement(whole: list[Token], broken: list[Token], killed_at: int) -> None:
    assert [each.text for each in broken[:killed_at]] == [each.text for each in whole[:killed_at]]
    for ours, theirs in zip(broken, whole, strict=False):
        if ours.text != theirs.text:
            assert theirs.logprob - theirs.others.get(ours.text, -99.0) < NEAR_TIE
            return
        assert abs(ours.logprob - theirs.logprob) < TOLERANCE
    assert abs(len(broken) - len(whole)) <= 2  # tokens may join otherwise at the seam


def killed_in_the_middle(server: BundledServer, question: str, killed_at: int) -> None:
    whole = answer(server, question)

    def kill(num_tokens: int) -> None:
        if num_tokens == killed_at:
            os.kill(server.engine_pid(), signal.SIGKILL)

    broken = answer(server, question, kill)
    check_agreement(whole, broken, killed_at)


@pytest.mark.parametrize(("question", "killed_at"), [(QUESTIONS[0], 5), (QUESTIONS[1], 20)])
def test_a_killed_engine_s_answer_goes_on_as_the_model_would_have(
    server: BundledServer, question: str, killed_at: int
) -> None:
    killed_in_the_middle(server, question, killed_at)


@pytest.mark.long
def test_fifty_kills_are_answered_as_if_nothing_had_been(server: BundledServer) -> None:
    for number in range(50):
        killed_in_the_middle(server, QUESTIONS[number % len(QUESTIONS)], 1 + number * 7 % 40)
