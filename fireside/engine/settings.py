"""Settings of the engines."""

from __future__ import annotations

from typing import Annotated

import msgspec


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which models run in this house, and how long other engines are waited for."""

    models_dir: Annotated[
        str,
        msgspec.Meta(
            description="Where model files are kept. Empty: models in the data directory."
        ),
    ] = ""
    embedded: Annotated[
        bool, msgspec.Meta(description="Run a model here, with llama.cpp in a process of its own.")
    ] = True
    embedded_kept_in: Annotated[
        str,
        msgspec.Meta(
            description="A file that says where another process of this machine runs the embedded "
            "model. Set by `fireside serve --workers`; leave it empty."
        ),
    ] = ""
    embedded_model: Annotated[
        str,
        msgspec.Meta(
            description="Pins the embedded model: a name of `fireside model list` or the path of a "
            "GGUF file. Empty: what `fireside model use` chose, else the best one that is here."
        ),
    ] = ""
    fetch_default_model: Annotated[
        bool,
        msgspec.Meta(
            description="Fetch the default chat model (491 MB) in the background when it is absent."
        ),
    ] = True
    hub_url: Annotated[
        str,
        msgspec.Meta(
            description="The model hub asked when no package serves a model. Empty: never ask."
        ),
    ] = "https://huggingface.co"
    default_model: Annotated[
        str,
        msgspec.Meta(
            description="The public name used when a request names no model. Empty: the embedded "
            "model, else the first engine's first model."
        ),
    ] = ""
    context_tokens: Annotated[
        int,
        msgspec.Meta(
            ge=512,
            le=1_048_576,
            description="Context window of each slot of the embedded engine, at most the model's.",
        ),
    ] = 8192
    parallel_slots: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=256, description="Sequences that the embedded engine decodes at once."
        ),
    ] = 4
    threads: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=512, description="Threads of the embedded engine. 0: one per physical core."
        ),
    ] = 0
    batch_tokens: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=8192,
            description="Prompt tokens that the embedded engine takes in between two decoding "
            "steps; a stop takes effect after one such batch. 0: 64 on a CPU, 512 on a GPU.",
        ),
    ] = 0
    prompt_cache_mib: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=1_048_576, description="Memory for prompts of slots that were given away."
        ),
    ] = 256
    load_timeout_s: Annotated[
        float,
        msgspec.Meta(gt=0, le=3600, description="The longest that loading a model may take."),
    ] = 300.0
    restart_wait_s: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=60,
            description="How long a request waits for the embedded engine to come back.",
        ),
    ] = 10.0
    max_quick_deaths: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=100,
            description="The embedded engine is given up after so many deaths within a minute of "
            "their start.",
        ),
    ] = 5
    connect_timeout_s: Annotated[
        float, msgspec.Meta(gt=0, le=60, description="How long an engine may take to connect.")
    ] = 5.0
    first_token_timeout_s: Annotated[
        float,
        msgspec.Meta(
            gt=0, le=3600, description="How long an engine may read a prompt and wait in line."
        ),
    ] = 120.0
    stall_timeout_s: Annotated[
        float,
        msgspec.Meta(
            gt=0, le=600, description="The longest silence between two tokens of a reply."
        ),
    ] = 30.0
    max_attempts: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=10,
            description="How often a request is sent to an engine that cannot be reached; never "
            "again once it has begun to answer.",
        ),
    ] = 3
    refresh_interval_s: Annotated[
        float,
        msgspec.Meta(
            ge=0.05, le=3600, description="How often engines are asked for models and health."
        ),
    ] = 15.0
    load_interval_s: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=3600,
            description="How often vLLM, SGLang and llama.cpp servers are asked how busy they are. "
            "0: never.",
        ),
    ] = 3.0
    drain_timeout_s: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=86_400,
            description="How long a replaced engine may finish the replies it is writing.",
        ),
    ] = 900.0
    unknown_context_tokens: Annotated[
        int,
        msgspec.Meta(
            ge=512, description="The context window assumed where an engine does not tell it."
        ),
    ] = 8192
