"""POST /v1/chat/completions: the request."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fireside.api.openai.sampling import Count, GenerationIn, require
from fireside.conversation.message import Image, Message
from fireside.conversation.wire.openai_chat import ChatMessageIn, parse
from fireside.engine.catalog import Route
from fireside.engine.ports import (
    Capability,
    ChatPrompt,
    GenerationRequest,
    JsonObject,
    JsonSchema,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)
from fireside.errors import UserError

MAX_MESSAGES = 2048  # the original's

Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class FunctionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function the model may call; `parameters` is a JSON schema."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolIn(msgspec.Struct, frozen=True, tag="function", forbid_unknown_fields=True):
    """A tool; functions are the only kind."""

    function: FunctionIn


class NamedFunctionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function by its name."""

    name: str


class NamedToolIn(msgspec.Struct, frozen=True, tag="function", forbid_unknown_fields=True):
    """The one tool that must be called."""

    function: NamedFunctionIn


class TextFormatIn(msgspec.Struct, frozen=True, tag="text", forbid_unknown_fields=True):
    """Free text, the default."""


class JsonObjectFormatIn(
    msgspec.Struct, frozen=True, tag="json_object", forbid_unknown_fields=True
):
    """Any JSON object."""


class JsonSchemaIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named schema."""

    name: Name
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class JsonSchemaFormatIn(
    msgspec.Struct, frozen=True, tag="json_schema", forbid_unknown_fields=True
):
    """JSON that fits a schema."""

    json_schema: JsonSchemaIn


class ChatCompletionIn(GenerationIn, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of the request. Unknown fields are refused by name.

    The fields at the end are accepted so that programs written for the original go on working;
    they change nothing here.
    """

    messages: Annotated[list[ChatMessageIn], Meta(max_length=MAX_MESSAGES)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: TextFormatIn | JsonObjectFormatIn | JsonSchemaFormatIn | None = None
    tools: Annotated[list[ToolIn], Meta(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedToolIn | None = None
    parallel_tool_calls: bool | None = None

    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[Literal["text"]] | None = None
    prediction: dict[str, Any] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None

    def to_generation(self, route: Route, request_id: str) -> GenerationRequest:
        """The engine's request. Raises UserError when it cannot be served by this model."""
        if not self.messages:
            raise UserError(
                "empty_array",
                "Invalid 'messages': empty array. Expected at least one message.",
                param="messages",
            )
        if self.top_logprobs is not None and not self.logprobs:
            raise UserError(
                "invalid_value",
                "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
                param="top_logprobs",
            )
        if self.logprobs:
            require(route, Capability.LOGPROBS, "logprobs")
        messages = parse(self.messages)
        if _has_pictures(messages):
            require(route, Capability.VISION, "messages")
        return GenerationRequest(
            route.model.name,
            ChatPrompt(
                messages=messages,
                tools=self._tools(route),
                tool_choice=self._tool_choice(),
                parallel_tool_calls=self.parallel_tool_calls,
                response_format=self._response_format(route),
            ),
            self.sampling(self._max_tokens(), bool(self.logprobs), self.top_logprobs),
            request_id=request_id,
            whole=not self.stream,
        )

    def _max_tokens(self) -> int | None:
        if self.max_completion_tokens is None:
            return self.max_tokens
        if self.max_tokens is not None:
            raise UserError(
                "invalid_parameter_combination",
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not "
                "supported.",
                param="max_tokens",
            )
        return self.max_completion_tokens

    def _tools(self, route: Route) -> tuple[ToolSpec, ...]:
        if not self.tools:
            return ()
        require(route, Capability.TOOLS, "tools")
        return tuple(
            ToolSpec(
                tool.function.name,
                tool.function.description or "",
                tool.function.parameters or {"type": "object", "properties": {}},
                tool.function.strict,
            )
            for tool in self.tools
        )

    def _tool_choice(self) -> ToolChoice | str:
        choice = self.tool_choice
        if choice is None or choice == "auto":
            return ToolChoice.AUTO
        if choice == "none":
            return ToolChoice.NONE
        if not self.tools:
            raise UserError(
                "invalid_value",
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
                "specified.",
                param="tool_choice",
            )
        if isinstance(choice, str):
            return ToolChoice(choice)
        name = choice.function.name
        if all(tool.function.name != name for tool in self.tools):
            raise UserError(
                "invalid_value",
                f"Invalid value for 'tool_choice': there is no tool named '{name}' in 'tools'.",
                param="tool_choice",
            )
        return name

    def _response_format(self, route: Route) -> ResponseFormat | None:
        match self.response_format:
            case JsonObjectFormatIn():
                require(route, Capability.JSON_SCHEMA, "response_format")
                return JsonObject()
            case JsonSchemaFormatIn(json_schema=asked):
                require(route, Capability.JSON_SCHEMA, "response_format")
                return JsonSchema(asked.name, asked.schema or {"type": "object"}, asked.strict)
            case _:
                return None


decoder = msgspec.json.Decoder(ChatCompletionIn)


def _has_pictures(messages: tuple[Message, ...]) -> bool:
    return any(isinstance(part, Image) for message in messages for part in message.parts)
