"""What a public name leads to."""

from __future__ import annotations

import pytest

from fireside.engine.backends.scripted import ScriptedEngine
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.errors import MissingCapability, ModelNotFound, NoEngine
from fireside.engine.ports import Capability, EngineModel

CHAT = frozenset({Capability.CHAT})


def offer(
    name: str,
    engine: str = "gpu-1",
    *,
    rank: int = 0,
    ready: bool = True,
    can: frozenset[Capability] = CHAT,
) -> Offer:
    return Offer(
        engine=ScriptedEngine(engine),
        model=EngineModel(name, 4096, can),
        public_name=name,
        release=f"{name}@{engine}",
        rank=rank,
        ready=ready,
    )


def catalog(*offers: Offer, **options: object) -> ModelCatalog:
    made = ModelCatalog()
    made.replace(offers, **options)  # type: ignore[arg-type]
    return made


def test_an_empty_catalogue_asks_for_patience() -> None:
    for name in (None, "anything"):
        with pytest.raises(NoEngine) as caught:
            ModelCatalog().resolve(name)
        assert caught.value.retryable
    assert ModelCatalog().default_name() is None
    assert ModelCatalog().list() == []


def test_a_name_leads_to_its_engine_with_the_release_that_answers() -> None:
    route = catalog(offer("a"), offer("b", "gpu-2")).resolve("b")
    assert (route.engine.name, route.public_name, route.release) == ("gpu-2", "b", "b@gpu-2")


def test_a_name_two_engines_serve_goes_to_the_first_by_rank() -> None:
    it = catalog(offer("a", "gpu-2", rank=2), offer("a", "gpu-1", rank=1))
    assert it.resolve("a").engine.name == "gpu-1"
    assert [model.engine for model in it.list()] == ["gpu-1"]


def test_every_model_is_reachable_by_its_engines_name_too() -> None:
    it = catalog(offer("a", "gpu-1", rank=1), offer("a", "gpu-2", rank=2))
    assert it.resolve("gpu-2/a").engine.name == "gpu-2"


def test_a_name_goes_to_an_engine_that_answers_while_the_first_is_down() -> None:
    it = catalog(offer("a", "gpu-1", rank=1, ready=False), offer("a", "gpu-2", rank=2))
    assert it.resolve("a").engine.name == "gpu-2"


def test_an_unknown_name_is_told_apart_from_one_that_is_coming() -> None:
    it = catalog(offer("a"), expected=["b"])
    with pytest.raises(ModelNotFound) as unknown:
        it.resolve("c")
    assert unknown.value.param == "model"
    with pytest.raises(NoEngine) as coming:
        it.resolve("b")
    assert coming.value.retryable


def test_a_model_whose_engine_is_down_is_worth_waiting_for() -> None:
    with pytest.raises(NoEngine) as caught:
        catalog(offer("a", ready=False)).resolve("a")
    assert caught.value.retryable


def test_the_default_is_what_is_wanted_while_it_answers_then_the_first_that_does() -> None:
    both = (offer("a", rank=1), offer("b", "gpu-2", rank=2))
    assert catalog(*both).default_name() == "a"
    assert catalog(*both, default="b").default_name() == "b"
    down = (offer("a", rank=1), offer("b", "gpu-2", rank=2, ready=False))
    assert catalog(*down, default="b").resolve(None).public_name == "a"


def test_a_model_that_only_embeds_is_no_default_for_chats() -> None:
    vectors = offer("vectors", can=frozenset({Capability.EMBEDDINGS}))
    it = catalog(vectors, offer("a", "gpu-2", rank=2))
    assert it.default_name() == "a"
    assert it.resolve(None, Capability.EMBEDDINGS).public_name == "vectors"


def test_what_a_model_cannot_do_is_refused_in_words() -> None:
    with pytest.raises(MissingCapability, match="does not support tools"):
        catalog(offer("a")).resolve("a", Capability.TOOLS)


def test_a_stand_in_answers_under_its_own_name_and_release() -> None:
    it = catalog(offer("large"), stand_ins={"small": "large", "other": "absent"})
    route = it.resolve("small")
    assert (route.public_name, route.release) == ("large", "large@gpu-1")
    assert [model.name for model in it.list()] == ["large"]
    with pytest.raises(ModelNotFound):
        it.resolve("other")


def test_an_excuse_is_told_afresh_each_time() -> None:
    it = catalog(excuse=NoEngine("No engine is set up.", retryable=False))
    with pytest.raises(NoEngine) as first:
        it.resolve(None)
    with pytest.raises(NoEngine) as second:
        it.resolve(None)
    assert first.value is not second.value
    assert not first.value.retryable and first.value.message == "No engine is set up."
