"""What a model reads: prompts and training rows of one path, from one function (law 3).

A path is rendered by the model's own chat template, cut where an assistant's message begins and
where its last token ends, and each piece is encoded by itself. So the ids of a prompt are always a
prefix of the ids of the row made of the same path and its reply, and every reply's tokens are those
a model may write after that prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from fireside.conversation.message import Message, Role
from fireside.conversation.wire.chat_template import ChatTemplate, TemplateRow, Tools, rows_of
from fireside.errors import UserError

Encode = Callable[[str], list[int]]
"""Token ids of a text, special tokens recognised, nothing put before or after it."""


class TemplateNotAdditive(UserError):
    """The template writes earlier messages differently once later ones follow, so that no one row
    continues all the prompts of the path."""

    def __init__(self, num_messages: int) -> None:
        super().__init__(
            "template_not_additive",
            f"The chat template rewrites the first {num_messages} messages when others follow.",
            hint="Give weight to the last reply only, or use another template.",
        )


class Rendered(msgspec.Struct, frozen=True):
    """A training row. `mask` is 1 on the tokens to learn and as long as `ids`.

    `exact` says that the whole text, encoded at once, gives the same ids; it does not where a reply
    begins with a character that would melt into the header before it.
    """

    ids: list[int]
    mask: list[int]
    exact: bool


class _Span(msgspec.Struct, frozen=True):
    """Where an assistant's message stands in a text: [start, end) with its end-of-turn token."""

    start: int
    end: int
    weight: float


class Renderer:
    """Renders paths for one model.

    `ends` are the texts of the tokens at which generation stops; `adds_bos` puts `bos_token` first
    where the template does not.
    """

    def __init__(
        self,
        template: ChatTemplate,
        encode: Encode,
        *,
        ends: frozenset[str],
        adds_bos: bool = False,
    ) -> None:
        self._template = template
        self._encode = encode
        self._ends = ends
        self._adds_bos = adds_bos

    def prompt_text(self, line: Sequence[Message], tools: Tools = ()) -> str:
        """The path as text, up to where the assistant's next word goes."""
        return self._text(rows_of(line), tools, prompt=True)

    def prompt(self, line: Sequence[Message], tools: Tools = ()) -> list[int]:
        """The ids of the same.

        Raises InexpressiblePart for pictures, UserError when the template refuses the path.
        """
        rows = rows_of(line)
        text = self._text(rows, tools, prompt=True)
        spans = self._spans(text, rows, tools, whole=False)
        return [id for piece, _ in _pieces(text, spans) for id in self._encode(piece)]

    def training_row(self, line: Sequence[Message], tools: Tools = ()) -> Rendered:
        """The path as a row to learn from.

        Raises TemplateNotAdditive when a reply to learn is not where its prompt ends; else as
        `prompt`.
        """
        rows = rows_of(line)
        text = self._text(rows, tools, prompt=False)
        spans = self._spans(text, rows, tools, whole=True)
        ids: list[int] = []
        mask: list[int] = []
        for piece, learned in _pieces(text, spans):
            encoded = self._encode(piece)
            ids += encoded
            mask += [int(learned)] * len(encoded)
        return Rendered(ids, mask, exact=ids == self._encode(text))

    def _text(self, rows: Sequence[TemplateRow], tools: Tools, *, prompt: bool) -> str:
        text = self._template.render(rows, tools, add_generation_prompt=prompt)
        bos = self._template.bos_token
        return bos + text if self._adds_bos and bos and not text.startswith(bos) else text

    def _spans(
        self,
        text: str,
        rows: Sequence[TemplateRow],
        tools: Tools,
        *,
        whole: bool,
    ) -> list[_Span]:
        """Where the replies stand. `whole`: the text is a row, whose last reply ends with it; one
        to be learned must be found. Others are left out where they cannot be.

        Whether one is found does not depend on what follows it, so a prompt and the row that
        continues it are cut alike.
        """
        spans: list[_Span] = []
        for index, row in enumerate(rows):
            if row.role is not Role.ASSISTANT:
                continue
            last = whole and index == len(rows) - 1
            before = self._text(rows[:index], tools, prompt=True)
            through = text if last else self._text(rows[: index + 1], tools, prompt=False)
            if not (through.startswith(before) and text.startswith(through)):
                if last or (whole and row.weight > 0):
                    raise TemplateNotAdditive(index + 1)
                continue
            end = self._end_of_turn(through, len(before))
            spans.append(_Span(len(before), end, row.weight))
        return spans

    def _end_of_turn(self, text: str, start: int) -> int:
        """Just behind the last token that ends generation; all of the text if there is none."""
        found = (text.rfind(end, start) + len(end) for end in self._ends if end in text[start:])
        return max(found, default=len(text))


def _pieces(text: str, spans: Sequence[_Span]) -> list[tuple[str, bool]]:
    """The text cut at the spans, and whether each piece is to be learned."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for span in spans:
        pieces.append((text[at : span.start], False))
        pieces.append((text[span.start : span.end], span.weight > 0))
        at = span.end
    pieces.append((text[at:], False))
    return [(piece, learned) for piece, learned in pieces if piece]
