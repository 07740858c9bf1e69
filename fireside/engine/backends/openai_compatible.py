"""Any server that speaks OpenAI's HTTP API: vLLM, SGLang, llama.cpp, Ollama, hosted ones.

It streams from the engine whatever our caller wants, so that tokens can be watched; only a reply of
bounded length that nobody watches is asked for in one piece. A request is sent again only while
nothing has been answered. An engine is judged by its tokens, written or (where it tells) read:
keep-alive comments and empty chunks do not count as progress.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Callable

import msgspec

from fireside.conversation.event import StreamEvent
from fireside.engine.backends.http_client import (
    ConnectFailed,
    ConnectionLost,
    HttpClient,
    HttpError,
    NotHttp,
    ReadTimeout,
    Reply,
    split_url,
)
from fireside.engine.backends.openai_errors import (
    begins_with_error,
    parse_error,
    refusal,
    refuses_priority,
    stream_failure,
)
from fireside.engine.backends.openai_listing import (
    Listing,
    Props,
    decode_listing,
    decode_props,
    flavour_of,
    models_of,
)
from fireside.engine.backends.openai_load import LoadReader
from fireside.engine.backends.openai_request import Flavour, HttpCall, call_for
from fireside.engine.backends.openai_stream import (
    MAX_REPLY_BYTES,
    UNREADABLE,
    ChunkReader,
    StreamError,
)
from fireside.engine.errors import EngineStalled, EngineUnreachable, GarbledReply
from fireside.engine.ports import (
    Embeddings,
    EngineHealth,
    EngineLoad,
    EngineModel,
    GenerationRequest,
    Sampling,
    TextPrompt,
)
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed, CapacityExhausted, FiresideError, UserError
from fireside.kit.ids import NewId, new_id

MAX_ERROR_BYTES = 64 * 1024
MAX_LISTING_BYTES = 8 * 1024 * 1024
MAX_EMBEDDING_BYTES = 256 * 1024 * 1024
HEALTH_TIMEOUT_S = 2.0
LISTING_TIMEOUT_S = 10.0
BACKOFF_S = 0.1
RETRIED = frozenset({502, 503, 504})
PRIORITY_PAUSE_S = 600.0  # a server that refused priorities is not sent any for so long
SUSPECT_S = 60.0  # how long an engine that stalled is reported as not ok, unless it speaks again

_INFILL_PROBE = GenerationRequest("", TextPrompt("a", suffix="b"), Sampling(max_tokens=1))
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class _EmbeddingsBody(msgspec.Struct, frozen=True):
    model: str
    input: list[str]
    encoding_format: str


class _Vector(msgspec.Struct, frozen=True):
    embedding: list[float]
    index: int = 0


class _EmbeddingsUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0


class _EmbeddingsReply(msgspec.Struct, frozen=True):
    data: list[_Vector]
    usage: _EmbeddingsUsage = _EmbeddingsUsage()


_decode_embeddings = msgspec.json.Decoder(_EmbeddingsReply).decode


class _Pace:
    """When a reply's tokens came, and how long the next one is waited for."""

    def __init__(self, started_s: float, settings: EngineSettings) -> None:
        self._started_s = started_s
        self._settings = settings
        self._num_deltas = 0
        self._num_read = 0
        self._first_s = started_s
        self.last_s = started_s  # of any progress

    def note(self, reply: Reply, reader: ChunkReader, arrived_s: float, now_s: float) -> bool:
        """Whether what arrived brought the reply forward; then the next may take its time again.

        It may take that from `now_s` on: the time our caller took to read is not silence.
        """
        first = not self._num_deltas
        if reader.num_deltas > self._num_deltas:
            self._num_deltas = reader.num_deltas
            if first:
                self._first_s = arrived_s
                reply.expect_within(self._settings.stall_timeout_s)
            else:
                reply.extend(now_s + self._settings.stall_timeout_s)
        elif first and reader.num_read > self._num_read:
            self._num_read = reader.num_read
            reply.extend(now_s + self._settings.first_token_timeout_s)
        else:
            return False
        self.last_s = arrived_s
        return True

    def times_ms(self) -> tuple[float | None, float | None]:
        """Time to the first delta and mean time between deltas, where there were any."""
        if not self._num_deltas:
            return None, None
        ttft_ms = round((self._first_s - self._started_s) * 1000, 3)
        if self._num_deltas == 1:
            return ttft_ms, None
        return ttft_ms, round((self.last_s - self._first_s) * 1000 / (self._num_deltas - 1), 3)


class OpenAICompatibleEngine:
    """One server at `base_url`, with or without its /v1. `flavour` None is found out by asking."""

    def __init__(
        self,
        name: str,
        base_url: str,
        settings: EngineSettings,
        *,
        api_key: str | None = None,
        flavour: Flavour | None = None,
        new_id: NewId = new_id,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._settings = settings
        self._flavour = flavour
        self._new_id = new_id
        self._jitter = jitter
        self._stalled_at_s: float | None = None
        self.last_progress_s = 0.0  # loop time of the latest token of any reply
        self._props: Props | None = None
        self._priority_from_s = 0.0  # loop time from which priorities are sent
        headers = {} if not api_key else {"authorization": f"Bearer {api_key}"}
        url = base_url.rstrip("/")
        if not split_url(url).path:
            url += "/v1"
        connect_s = settings.connect_timeout_s
        self._http = HttpClient(url, headers=headers, connect_timeout_s=connect_s)
        root = url.removesuffix("/v1")
        self._root_http = HttpClient(root, headers=headers, connect_timeout_s=connect_s)
        self._loads = LoadReader(self._root_http)

    @property
    def name(self) -> str:
        return self._name

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream one message; see the port."""
        loop = asyncio.get_running_loop()
        flavour = await self._known_flavour()
        takes_priority = loop.time() >= self._priority_from_s
        call = call_for(request, flavour, takes_priority=takes_priority)
        pace = _Pace(loop.time(), self._settings)
        reader = ChunkReader(self._new_call_id, infill=call.infill)
        feed = reader.feed_whole if call.whole else reader.feed
        begin = self._begin_ordered if call.ordered else self._begin
        reply, pieces = await begin(call, request)
        ended = False
        try:
            if isinstance(request.prompt, TextPrompt) and request.prompt.echo:
                yield reader.begin_text(request.prompt.text)
            if call.whole:
                pieces.append(await reply.read(MAX_REPLY_BYTES))
            while pieces:
                arrived_s = loop.time()
                for event in feed(pieces):
                    yield event
                if pace.note(reply, reader, arrived_s, loop.time()):
                    self._stalled_at_s = None
                    self.last_progress_s = arrived_s
                pieces = await self._more(reply, reader)
            if not reader.done and reader.finish_reason is None:
                raise self._broken_off(reader.rest(), request.model)
            ended = True
            for event in reader.end(*pace.times_ms()):
                yield event
        except ReadTimeout:
            self._stalled_at_s = loop.time()
            raise EngineStalled(self._name, loop.time() - pace.last_s) from None
        except (HttpError, *UNREADABLE) as error:
            raise self._explain(error, request.model) from None
        finally:
            reply.close(ended=ended)

    async def embed(self, model: str, inputs: list[str]) -> Embeddings:
        """Vectors for `inputs`; see the port."""
        body = msgspec.json.encode(_EmbeddingsBody(model, inputs, "float"))
        reply = await self._send(HttpCall("/embeddings", body), model)
        try:
            parsed = _decode_embeddings(await reply.read(MAX_EMBEDDING_BYTES))
        except HttpError as error:
            raise self._lost(error) from error
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise GarbledReply(self._name, "sent something that is not embeddings") from None
        finally:
            reply.close()
        vectors = [each.embedding for each in sorted(parsed.data, key=lambda each: each.index)]
        if len(vectors) != len(inputs) or len({len(each) for each in vectors}) > 1:
            raise GarbledReply(self._name, "sent another number of vectors than was asked for")
        return Embeddings(vectors, parsed.usage.prompt_tokens)

    async def models(self) -> tuple[EngineModel, ...]:
        """What is served now; see the port."""
        listing = await self._listing(LISTING_TIMEOUT_S)
        if self._flavour is None:
            self._flavour = flavour_of(listing)
        if self._flavour is Flavour.LLAMA_CPP and self._props is None:
            self._props = await self._read_props()
        return models_of(listing, self._flavour, self._settings.unknown_context_tokens, self._props)

    async def health(self) -> EngineHealth:
        """A quick look; see the port."""
        try:
            await self._listing(HEALTH_TIMEOUT_S)
        except FiresideError as error:
            return EngineHealth(False, error.message)
        return self.judge()

    def judge(self) -> EngineHealth:
        """What its last replies say about it, without asking."""
        stalled_at_s = self._stalled_at_s
        if stalled_at_s is not None:
            ago_s = asyncio.get_running_loop().time() - stalled_at_s
            if ago_s < SUSPECT_S:
                return EngineHealth(False, f"It stopped producing tokens {ago_s:.0f} seconds ago.")
        return EngineHealth(True)

    async def load(self) -> EngineLoad | None:
        """What the server states about its work, within 2 s; None when it does not answer.

        Nothing is asked before its kind is known, and nothing of kinds that tell nothing.
        """
        return await self._loads.read(self._flavour or Flavour.GENERIC)

    async def aclose(self) -> None:
        """Close the idle connections; replies in progress close theirs."""
        self._http.close()
        self._root_http.close()

    async def _known_flavour(self) -> Flavour:
        if self._flavour is None:
            await self.models()
        return self._flavour or Flavour.GENERIC

    async def _begin_ordered(
        self, call: HttpCall, request: GenerationRequest
    ) -> tuple[Reply, list[bytes]]:
        """As `_begin`, and again without the priority when the server will not have one."""
        try:
            reply, pieces = await self._begin(call, request)
            if not (begins_with_error(pieces) and b"riority" in b"".join(pieces)):
                return reply, pieces
            reply.close()
        except UserError as error:
            if not refuses_priority(error):
                raise
        self._priority_from_s = asyncio.get_running_loop().time() + PRIORITY_PAUSE_S
        flavour = await self._known_flavour()
        return await self._begin(call_for(request, flavour, takes_priority=False), request)

    async def _begin(self, call: HttpCall, request: GenerationRequest) -> tuple[Reply, list[bytes]]:
        """The reply and the first pieces of its body; tries again until there are some."""
        for attempt in range(self._settings.max_attempts):
            reply = await self._send(call, request.model, request.request_id, attempt)
            try:
                return reply, await reply.read_some()
            except ConnectionLost as error:
                reply.close()
                if attempt + 1 == self._settings.max_attempts:
                    raise self._lost(error) from error
            except ReadTimeout:
                reply.close()
                raise self._stalled() from None
            except BaseException:
                reply.close()
                raise
        raise AssertionError

    async def _send(
        self, call: HttpCall, model: str, request_id: str = "", attempt: int = 0
    ) -> Reply:
        """A reply with status 200; anything else is raised, after a few tries where they help."""
        http = self._root_http if call.at_root else self._http
        headers = {"x-request-id": request_id} if _PLAIN_ID.fullmatch(request_id) else {}
        timeout_s = self._settings.first_token_timeout_s + call.extra_s
        while True:
            if attempt:
                await asyncio.sleep(BACKOFF_S * 2 ** (attempt - 1) * (0.5 + self._jitter()))
            attempt += 1
            try:
                reply = await http.request(
                    "POST", call.path, call.body, timeout_s=timeout_s, headers=headers
                )
                if reply.status == 200:
                    return reply
                failure = await self._refusal(reply, model)
                retry = reply.status in RETRIED and not isinstance(failure, CapacityExhausted)
            except ReadTimeout:
                raise self._stalled() from None
            except (ConnectFailed, ConnectionLost) as error:
                failure, retry = self._lost(error), True
            except HttpError as error:
                raise self._lost(error) from error
            if not retry or attempt >= self._settings.max_attempts:
                raise failure

    async def _refusal(self, reply: Reply, model: str) -> FiresideError:
        try:
            body = await reply.read(MAX_ERROR_BYTES)
        except HttpError:
            body = b""
        finally:
            reply.close()
        retry_after = reply.header(b"retry-after").decode("latin-1")
        return refusal(self._name, reply.status, parse_error(body), model, retry_after)

    async def _more(self, reply: Reply, reader: ChunkReader) -> list[bytes]:
        """The next pieces; empty when the message is over. Raises what the reader met."""
        if reader.failure is not None:
            raise reader.failure
        if reader.done:
            return []
        try:
            return await reply.read_some()
        except (ReadTimeout, ConnectionLost):
            if reader.finish_reason is None:
                raise
            return []  # the message was over; only the engine's last words are missing

    async def _listing(self, timeout_s: float) -> Listing:
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._http.request("GET", "/models", timeout_s=timeout_s)
                if reply.status != 200:
                    raise await self._refusal(reply, "")
                try:
                    return decode_listing(await reply.read(MAX_LISTING_BYTES))
                finally:
                    reply.close()
        except (TimeoutError, ReadTimeout):
            raise EngineUnreachable(self._name, "does not answer") from None
        except HttpError as error:
            raise self._lost(error) from error
        except (msgspec.DecodeError, RecursionError):
            raise GarbledReply(self._name, "sent something that is not a list of models") from None

    async def _read_props(self) -> Props | None:
        """What llama.cpp says about its model and, by trying, does not say; None if it fails."""
        try:
            reply = await self._root_http.request("GET", "/props", timeout_s=LISTING_TIMEOUT_S)
            try:
                body = await reply.read(MAX_LISTING_BYTES)
            finally:
                reply.close()
            props = decode_props(body) if reply.status == 200 else Props()
        except (HttpError, msgspec.DecodeError, RecursionError):
            return None
        return msgspec.structs.replace(props, fills_in_the_middle=await self._can_infill())

    async def _can_infill(self) -> bool:
        probe = call_for(_INFILL_PROBE, Flavour.LLAMA_CPP)
        try:
            reply = await self._root_http.request(
                "POST", probe.path, probe.body, timeout_s=LISTING_TIMEOUT_S
            )
        except HttpError:
            return False
        reply.close()
        return reply.status == 200

    def _new_call_id(self) -> str:
        return "call_" + self._new_id().replace("-", "")

    def _stalled(self) -> EngineStalled:
        self._stalled_at_s = asyncio.get_running_loop().time()
        return EngineStalled(self._name, self._settings.first_token_timeout_s)

    def _broken_off(self, rest: bytes, model: str) -> FiresideError:
        """The stream ended without an end; what is left of it may be an error in plain JSON."""
        if (error := parse_error(rest)) is not None:
            return stream_failure(self._name, error, model)
        return GarbledReply(self._name, "broke off in the middle of its answer")

    def _explain(self, error: Exception, model: str) -> FiresideError:
        match error:
            case StreamError():
                return stream_failure(self._name, error.error, model)
            case HttpError():
                return self._lost(error)
            case FiresideError():
                return error
            case _:
                return GarbledReply(self._name, "sent something that is not a reply")

    def _lost(self, error: HttpError) -> BackendFailed:
        match error:
            case ConnectFailed():
                return EngineUnreachable(self._name, "cannot be reached")
            case ConnectionLost():
                return EngineUnreachable(self._name, "hung up")
            case NotHttp():
                return GarbledReply(self._name, "sent something that is not HTTP, or too much")
            case _:
                return EngineUnreachable(self._name, "does not answer")
