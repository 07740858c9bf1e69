"""What can go wrong with models and engines, split by what the caller will do about it.

UserError     ContextTooLong       shorten the conversation or ask for fewer tokens
              ModelNotFound        ask for a model that exists
              MissingCapability    ask a model that can do this
BackendFailed NoEngine             wait: an engine is only just starting, or none is left
              EngineUnreachable    it refused the connection or hung up; another try may work
              EngineStalled        it took the request and stopped producing tokens
              GarbledReply         it sent something that is not the protocol
"""

from __future__ import annotations

from fireside.errors import BackendFailed, UserError


class ContextTooLong(UserError):
    """The prompt and the room asked for the reply do not fit in the model's context window."""

    def __init__(self, num_tokens: int | None = None, max_tokens: int | None = None) -> None:
        if num_tokens is not None and max_tokens is not None:
            message = (
                f"This model's maximum context length is {max_tokens} tokens, "
                f"but the request needs {num_tokens}."
            )
        else:
            message = "The request is longer than this model's context window."
        super().__init__(
            "context_length_exceeded",
            message,
            hint="Shorten the messages or ask for a shorter reply.",
            param="messages",
        )
        self.num_tokens = num_tokens
        self.max_tokens = max_tokens


class ModelNotFound(UserError):
    """No engine here serves a model of this name."""

    def __init__(self, name: str, hint: str = "GET /v1/models lists the models there are.") -> None:
        super().__init__(
            "model_not_found",
            f"The model `{name[:200]}` does not exist or you do not have access to it.",
            hint=hint,
            param="model",
        )


class MissingCapability(UserError):
    """The model exists and cannot do what is asked."""

    def __init__(self, name: str, what: str, *, hint: str = "", param: str = "model") -> None:
        super().__init__(
            "unsupported_by_model",
            f"The model `{name[:200]}` does not support {what}.",
            hint=hint or "Choose another model; GET /v1/models lists what each can do.",
            param=param,
        )


class NoEngine(BackendFailed):
    """No engine can answer now. `retryable` while one is expected to become ready."""

    def __init__(self, message: str, *, hint: str = "", retryable: bool = True) -> None:
        super().__init__(
            "no_engine",
            message,
            hint=hint,
            retryable=retryable,
            retry_after_s=2.0 if retryable else None,
        )


class EngineUnreachable(BackendFailed):
    """The engine refused the connection, did not take it in time, or hung up."""

    def __init__(self, engine: str, what: str) -> None:
        super().__init__(
            "engine_unreachable",
            f"The engine {engine} {what}.",
            hint="Try again in a moment.",
            retryable=True,
            retry_after_s=2.0,
        )


class EngineStalled(BackendFailed):
    """The engine is connected and produces no tokens."""

    def __init__(self, engine: str, silent_s: float) -> None:
        super().__init__(
            "engine_stalled",
            f"The engine {engine} produced no token for {silent_s:.0f} seconds.",
            hint="Try again in a moment.",
            retryable=True,
            retry_after_s=2.0,
        )


class GarbledReply(BackendFailed):
    """The engine's answer broke off or is not the protocol it should speak."""

    def __init__(self, engine: str, what: str) -> None:
        super().__init__(
            "engine_garbled",
            f"The engine {engine} {what}.",
            hint="Try again; if it happens again, the operator should look at that engine.",
            retryable=True,
        )
