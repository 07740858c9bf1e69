"""Law 2: what a codec can express comes back equal, and what it cannot is refused by name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.message import (
    Audio,
    Author,
    Citation,
    Code,
    DisplayData,
    File,
    Image,
    Message,
    MessageId,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from fireside.conversation.tree import Conversation, build, path
from fireside.conversation.wire import markdown, native, notebook, openai_chat, sharegpt
from fireside.conversation.wire.errors import InexpressiblePart
from fireside.conversation.wire.export import ExportFormat, export
from fireside.conversation.wire.plain import without_media
from fireside.errors import UserError
from tests.conversation.strategies import (
    BLOB,
    OWNER,
    audios,
    calls,
    chains,
    citations,
    codes,
    conversations,
    files,
    images,
    messages,
    names,
    new_ids,
    parts,
    results,
    some_words,
    texts,
    words,
)


def said(line: Sequence[Message]) -> list[tuple[Author, tuple[Part, ...], float]]:
    """What a line says, without ids."""
    return [(message.author, message.parts, message.weight) for message in line]


def spoken(role: Role, *said: Part, name: str | None = None, weight: float = 1.0) -> Message:
    return Message(MessageId(""), Author(role, name), said, weight=weight)


def optional(strategy: st.SearchStrategy[Part]) -> st.SearchStrategy[tuple[Part, ...]]:
    return st.lists(strategy, max_size=1).map(tuple)


# --- Fireside's own format -----------------------------------------------------------------------


@given(conversations())
def test_a_native_file_gives_back_the_conversation_whole(conversation: Conversation) -> None:
    assert native.decode(native.encode(conversation)) == conversation


@given(st.lists(conversations(messages(texts)), max_size=2))
def test_a_native_file_of_many_reads_as_many(several: list[Conversation]) -> None:
    data = b"".join(native.encode_many(several))
    assert [
        msgspec.json.decode(entry, type=Conversation) for entry in native.entries_of(data)
    ] == several


def test_a_native_file_from_the_future_says_so() -> None:
    with pytest.raises(UserError, match="version 2") as caught:
        native.decode(b'{"format":"fireside","version":2,"conversations":[]}')
    assert caught.value.code == "newer_export"


# --- OpenAI chat ---------------------------------------------------------------------------------

addresses = words.map("https://{}".format)
openai_users = st.builds(
    lambda role, text, pictures, name: spoken(role, Text(text), *pictures, name=name),
    st.sampled_from([Role.USER, Role.SYSTEM, Role.DEVELOPER]),
    words,
    st.lists(st.builds(Image, url=addresses, detail=st.none() | names), max_size=2),
    st.none() | names,
)
openai_assistants = st.builds(
    lambda text, notes, calls: (
        spoken(Role.ASSISTANT, *text, *notes, *calls)
        if text or calls
        else spoken(Role.ASSISTANT, Text(), *notes)
    ),
    optional(st.builds(Text, some_words)),
    st.lists(citations, max_size=2),
    st.lists(calls, max_size=2),
)
openai_tools = st.builds(
    lambda call_id, name, text: spoken(
        Role.TOOL, ToolResult(call_id, name or "", text), name=name or None
    ),
    some_words,
    names | st.just(""),
    words,
)


@given(chains(openai_users | openai_assistants | openai_tools))
def test_openai_messages_give_back_the_line(line: tuple[Message, ...]) -> None:
    wire = msgspec.json.encode(openai_chat.emit(line))
    parsed = openai_chat.parse(
        msgspec.json.decode(wire, type=list[openai_chat.ChatMessageIn]), new_ids()
    )
    assert said(parsed) == said(line)
    assert [message.parent_id for message in parsed] == [
        None,
        *(message.id for message in parsed),
    ][:-1] * bool(parsed)


def test_plain_text_is_sent_as_a_plain_string() -> None:
    line = [spoken(Role.USER, Text("a"), Text("b")), spoken(Role.ASSISTANT, Code("py", "x = 1"))]
    assert openai_chat.emit(line) == [
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "```py\nx = 1\n```"},
    ]


def test_reasoning_is_never_sent_back_to_a_model() -> None:
    line = [spoken(Role.ASSISTANT, Reasoning("secret"), Text("said"))]
    assert openai_chat.emit(line) == [{"role": "assistant", "content": "said"}]


def test_a_reply_with_its_tools_results_inside_becomes_messages_in_order() -> None:
    line = [
        spoken(
            Role.ASSISTANT,
            Text("Look:"),
            ToolCall("c", "f", "{}"),
            ToolResult("c", "f", stdout="1\n"),
            Text("One."),
        )
    ]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert openai_chat.emit(line) == [
        {"role": "assistant", "content": "Look:", "tool_calls": [call]},
        {"role": "tool", "content": "1\n", "tool_call_id": "c", "name": "f"},
        {"role": "assistant", "content": "One."},
    ]


def test_a_message_addressed_to_a_tool_is_a_call_of_it() -> None:
    asked = msgspec.structs.replace(
        spoken(Role.ASSISTANT, Code("", "1+1")), id=MessageId("m"), recipient="python"
    )
    (emitted,) = openai_chat.emit([asked])
    assert emitted["content"] is None
    assert emitted["tool_calls"][0]["id"] == "m"
    assert emitted["tool_calls"][0]["function"] == {
        "name": "python",
        "arguments": '{"code":"1+1"}',
    }


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (Image(BLOB), "image"),
        (Image(url="file-service://file-1"), "image"),
        (Audio(BLOB), "audio"),
        (File(BLOB, "a.pdf"), "file"),
        (ToolCall("c", "f"), "tool_call"),
    ],
)
def test_openai_names_the_part_it_cannot_express(part: Part, kind: str) -> None:
    with pytest.raises(InexpressiblePart) as caught:
        openai_chat.emit([spoken(Role.USER, part)])
    assert caught.value.part == kind
    assert caught.value.hint or kind == "tool_call"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'[{"role":"user"}]', "messages[0].content"),
        (b'[{"role":"user","content":"a"},{"role":"assistant"}]', "messages[1].content"),
        (b'[{"role":"tool","content":"a"}]', "messages[0].tool_call_id"),
        (b'[{"role":"tool","tool_call_id":"c"}]', "messages[0].content"),
        (
            b'[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]',
            "messages[0].content",
        ),
        (b'[{"role":"user","content":[{"type":"file","file":{}}]}]', "messages[0].content"),
    ],
)
def test_a_message_that_is_incomplete_is_refused_with_its_field(body: bytes, param: str) -> None:
    with pytest.raises(UserError) as caught:
        openai_chat.parse(msgspec.json.decode(body, type=list[openai_chat.ChatMessageIn]))
    assert caught.value.param == param


@given(st.lists(messages(), max_size=3), st.booleans())
def test_without_media_every_message_can_be_sent(line: list[Message], sees: bool) -> None:
    calm = [
        msgspec.structs.replace(message, author=Author(Role.ASSISTANT))
        if any(isinstance(part, ToolCall) for part in message.parts)
        else message
        for message in line
    ]
    emitted = openai_chat.emit([without_media(message, sees=sees) for message in calm])
    assert msgspec.json.decode(msgspec.json.encode(emitted)) == emitted
    for each in emitted:
        assert sees or isinstance(each["content"], str) or each["tool_calls"]


# --- ShareGPT ------------------------------------------------------------------------------------

compact_calls = st.builds(
    lambda name, arguments: ToolCall("", name, msgspec.json.encode(arguments).decode()),
    names,
    st.dictionaries(words, words | st.integers(0, 99) | st.none(), max_size=2),
)
sharegpt_weights = st.sampled_from([0.0, 1.0])
sharegpt_lines = st.builds(
    lambda role, text, weight: spoken(role, Text(text), weight=weight),
    st.sampled_from([Role.SYSTEM, Role.USER]),
    words,
    sharegpt_weights,
) | st.builds(
    lambda thought, text, calls, weight: spoken(
        Role.ASSISTANT, *thought, Text(text), *calls, weight=weight
    ),
    optional(st.builds(Reasoning, words)),
    some_words,
    st.lists(compact_calls, max_size=2),
    sharegpt_weights,
)
with_answers = st.builds(
    lambda name, arguments, answer: [
        spoken(Role.ASSISTANT, Text("."), ToolCall("", name, arguments)),
        spoken(Role.TOOL, ToolResult("", name, answer)),
    ],
    names,
    st.just("{}"),
    words,
)


def without_call_ids(line: Sequence[Message]) -> list[tuple[Author, tuple[Part, ...], float]]:
    def bare(part: Part) -> Part:
        match part:
            case ToolCall():
                return msgspec.structs.replace(part, id="")
            case ToolResult():
                return msgspec.structs.replace(part, call_id="")
            case _:
                return part

    return [
        (author, tuple(map(bare, said_parts)), weight) for author, said_parts, weight in said(line)
    ]


@given(st.lists(sharegpt_lines.map(lambda message: [message]) | with_answers, max_size=5))
def test_a_sharegpt_row_gives_back_the_line(exchanges: list[list[Message]]) -> None:
    line = [message for exchange in exchanges for message in exchange]
    row = msgspec.json.decode(msgspec.json.encode(sharegpt.emit(line)), type=sharegpt.Row)
    parsed = sharegpt.parse(row, new_ids())
    assert without_call_ids(parsed) == without_call_ids(line)
    called = {part.id for each in parsed for part in each.parts if isinstance(part, ToolCall)}
    answered = {
        part.call_id for each in parsed for part in each.parts if isinstance(part, ToolResult)
    }
    assert answered <= called


@pytest.mark.parametrize(
    ("role", "part", "kind"),
    [
        (Role.USER, Image(url="https://example.org/a.png"), "image"),
        (Role.ASSISTANT, Citation("s"), "citation"),
        (Role.USER, Reasoning("hm"), "reasoning"),
        (Role.ASSISTANT, ToolCall("c", "f", "not json"), "tool_call"),
        (Role.ASSISTANT, Text("<think>\na\n</think>\n\nb"), "text"),
        (Role.USER, Audio(BLOB), "audio"),
        (Role.USER, File(BLOB), "file"),
    ],
)
def test_sharegpt_names_the_part_it_cannot_express(role: Role, part: Part, kind: str) -> None:
    with pytest.raises(InexpressiblePart) as caught:
        sharegpt.emit([spoken(role, part)])
    assert (caught.value.part, caught.value.format) == (kind, "sharegpt")


@pytest.mark.parametrize(
    "row",
    [
        b'{"conversations":[{"from":"alien","value":"a"}]}',
        b'{"conversations":[{"from":"function_call","value":"not json"}]}',
    ],
)
def test_a_sharegpt_row_with_a_line_nobody_can_read_is_refused(row: bytes) -> None:
    with pytest.raises(UserError) as caught:
        sharegpt.parse(msgspec.json.decode(row, type=sharegpt.Row))
    assert caught.value.code == "invalid_row"


# --- Jupyter notebook ----------------------------------------------------------------------------

PYTHON_CALL = ToolCall("c", "python", '{ "code": "1 + 1" }')
notebook_parts: st.SearchStrategy[Part] = st.one_of(
    parts, codes, results, st.just(PYTHON_CALL), st.just(ToolResult("c", "python", stdout="2\n"))
)


@given(conversations(messages(notebook_parts), branching=False))
def test_a_notebook_gives_back_the_thread(conversation: Conversation) -> None:
    data = notebook.emit(conversation)
    nbformat.validate(nbformat.reads(data.decode(), as_version=4))
    assert notebook.parse(data, OWNER, new_ids()) == conversation


def talk(*line: Message) -> Conversation:
    ids = new_ids()
    placed: list[Message] = []
    for message in line:
        above = placed[-1].id if placed else None
        placed.append(msgspec.structs.replace(message, id=MessageId(ids()), parent_id=above))
    return build(Conversation("c", OWNER), placed)


def test_code_and_its_results_share_a_cell_even_across_messages() -> None:
    conversation = talk(
        spoken(Role.USER, Text("Add.")),
        spoken(Role.ASSISTANT, PYTHON_CALL),
        spoken(Role.TOOL, ToolResult("c", "python", stdout="2\n"), name="python"),
        spoken(Role.ASSISTANT, Text("Two."), Code("python", "2 * 2")),
    )
    cells = nbformat.reads(notebook.emit(conversation).decode(), as_version=4).cells
    assert [(cell.cell_type, cell.source) for cell in cells] == [
        ("markdown", "Add."),
        ("code", "1 + 1"),
        ("markdown", "Two."),
        ("code", "2 * 2"),
    ]
    assert cells[1].outputs == [{"output_type": "stream", "name": "stdout", "text": "2\n"}]


def test_what_a_person_changes_in_jupyter_counts() -> None:
    conversation = talk(
        spoken(Role.USER, Text("Add.")),
        spoken(Role.ASSISTANT, Text("Here:"), PYTHON_CALL),
        spoken(Role.TOOL, ToolResult("c", "python", stdout="2\n")),
    )
    opened = nbformat.reads(notebook.emit(conversation).decode(), as_version=4)
    opened.cells[0].source = "Multiply."
    opened.cells[2].source = "2 * 3"
    opened.cells[2].outputs = [nbformat.v4.new_output("stream", name="stdout", text="6\n")]
    opened.cells.insert(2, nbformat.v4.new_markdown_cell("Mine."))
    opened.cells.append(nbformat.v4.new_code_cell("1"))
    data = nbformat.writes(opened).encode()
    read = notebook.parse(data, OWNER, new_ids(start_ms=1_800_000_000_000))
    line = path(read)
    assert [(message.author.role, message.parts) for message in line] == [
        (Role.USER, (Text("Multiply."),)),
        (Role.ASSISTANT, (Text("Here:"),)),
        (Role.USER, (Text("Mine."),)),
        (Role.ASSISTANT, (ToolCall("c", "python", '{"code":"2 * 3"}'),)),
        (Role.TOOL, (ToolResult("c", "python", stdout="6\n"),)),
        (Role.USER, (Code("python", "1"),)),
    ]
    assert len({message.id for message in line}) == len(line)


def test_a_notebook_written_elsewhere_is_read_as_the_users() -> None:
    plot = {"image/png": "iVBORw0KGgo=", "text/plain": ["<Fig", "ure>"]}
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="slow\n"),
        nbformat.v4.new_output("display_data", data=plot),
        nbformat.v4.new_output("execute_result", data={"text/plain": "3"}, execution_count=7),
        nbformat.v4.new_output("error", ename="E", evalue="v", traceback=["t"]),
    ]
    written = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Title"),
            nbformat.v4.new_code_cell("plot()", outputs=outputs),
            nbformat.v4.new_raw_cell("raw"),
        ]
    )
    line = path(notebook.parse(nbformat.writes(written).encode(), OWNER, new_ids()))
    assert [message.author.role for message in line] == [Role.USER] * 3
    assert line[0].parts == (Text("# Title"),)
    code, result = line[1].parts
    assert code == Code("python", "plot()")
    assert isinstance(result, ToolResult)
    assert result.stderr == "slow\n"
    assert result.display == (
        DisplayData({"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}),
        DisplayData({"text/plain": "3"}, "execute_result", 7),
    )
    assert result.error is not None
    assert result.error.traceback == ("t",)
    assert line[2].provider_data == {"cell_type": "raw"}


def test_a_display_that_no_notebook_holds_is_refused_by_name() -> None:
    odd = ToolResult("c", display=(DisplayData({"text/plain": 5}),))
    with pytest.raises(InexpressiblePart) as caught:
        notebook.emit(talk(spoken(Role.TOOL, odd)))
    assert caught.value.part == "tool_result"


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"cells":[],"nbformat":3}', b'{"cells":', b"x"])
def test_what_is_no_notebook_is_refused(body: bytes) -> None:
    with pytest.raises(UserError):
        notebook.parse(body, OWNER, new_ids())


# --- Markdown and files --------------------------------------------------------------------------


@given(images | audios | files | codes | results | citations | calls)
def test_markdown_names_or_shows_every_part(part: Part) -> None:
    written = markdown.emit(talk(spoken(Role.ASSISTANT, part)))
    assert written.startswith("# Conversation\n\n## Assistant\n\n")
    assert markdown.part_text(part) in written
    assert markdown.part_text(part).strip()


@pytest.mark.parametrize("format", list(ExportFormat))
def test_every_format_writes_a_file_with_a_safe_name(format: ExportFormat) -> None:
    conversation = msgspec.structs.replace(
        talk(spoken(Role.USER, Text("Hi")), spoken(Role.ASSISTANT, Text("Hello."))),
        title='../"Plans" for\n2026 ☕',
    )
    file = export(conversation, format)
    assert file.name.startswith("plans-for-2026.")
    assert b"Hello." in file.content
