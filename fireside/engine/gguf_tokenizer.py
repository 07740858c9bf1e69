"""The tokenizer inside a GGUF file, as llama.cpp would run it.

Byte-level BPE only (`tokenizer.ggml.model` "gpt2"): SmolLM2, Qwen 2 and later, Llama 3, GPT-2. The
way text is cut before merging is not in the file but in llama.cpp, under the name
`tokenizer.ggml.pre`; the table below repeats what llama_vocab does for the names it holds. Special
tokens are recognised anywhere in the text, as in llama.cpp's chat endpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

from fireside.engine.gguf_metadata import NotGguf, Value, read_metadata
from fireside.errors import UserError

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_CONTROL, _USER_DEFINED, _UNKNOWN = 3, 4, 2
_ENDS = frozenset(
    {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>"}
    | {"<end_of_turn>", "<|end|>", "</s>"}
)


class SpecialTokens(msgspec.Struct, frozen=True):
    """The texts of the tokens that templates and masks need.

    `ends` are the tokens at which generation stops; `adds_bos` says that llama.cpp puts `bos`
    before a prompt that does not begin with it.
    """

    bos: str
    eos: str
    ends: frozenset[str]
    adds_bos: bool


class GgufTokenizer:
    """Encodes and decodes; made by `load`."""

    def __init__(
        self, tokenizer: Tokenizer, special: SpecialTokens, chat_template: str | None
    ) -> None:
        self._tokenizer = tokenizer
        self.special = special
        self.chat_template = chat_template

    @classmethod
    def load(cls, path: Path) -> GgufTokenizer:
        """Read it from a model file.

        Raises NotGguf when the file is none, UserError when its tokenizer is of another kind.
        """
        return cls.of_metadata(path, read_metadata(path))

    @classmethod
    def of_metadata(cls, path: Path, metadata: dict[str, Value]) -> GgufTokenizer:
        """The same from metadata that was read already; `path` is for messages."""
        fields = _Fields(path, metadata)
        model = fields.text("tokenizer.ggml.model")
        pre = fields.text("tokenizer.ggml.pre", "default")
        if model != "gpt2" or pre not in _PRE_TOKENIZERS:
            raise UserError(
                "unsupported_tokenizer",
                f"The tokenizer of {path.name} ({model}, {pre}) is of a kind not rebuilt here.",
                hint=f"Use a model with one of: {', '.join(sorted(_PRE_TOKENIZERS))}.",
            )
        tokens = fields.texts("tokenizer.ggml.tokens")
        kinds = fields.numbers("tokenizer.ggml.token_type", [1] * len(tokens))
        if len(kinds) != len(tokens) or not tokens:
            raise NotGguf(path, "its tokens and their types do not match")
        vocabulary = {token: id for id, token in enumerate(tokens)}
        known = frozenset(vocabulary)
        merges = [
            (left, right)
            for left, _, right in (
                merge.partition(" ") for merge in fields.texts("tokenizer.ggml.merges")
            )
            if left in known and right in known and left + right in known
        ]
        bpe = BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe")
        tokenizer = Tokenizer(bpe)
        tokenizer.pre_tokenizer = _PRE_TOKENIZERS[pre]()
        tokenizer.decoder = ByteLevelDecoder()
        special = [
            token
            for token, kind in zip(tokens, kinds, strict=True)
            # llama.cpp takes some texts for ends of generation, and so for special, where a file
            # forgets to say so; Qwen 2.5 has a plain "</s>" that is one of them.
            if kind in {_CONTROL, _USER_DEFINED, _UNKNOWN} or token in _ENDS
        ]
        tokenizer.add_special_tokens([
            AddedToken(token, normalized=False, special=True) for token in special
        ])
        template = metadata.get("tokenizer.chat_template")
        return cls(
            tokenizer,
            fields.special(tokens),
            template if isinstance(template, str) else None,
        )

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, with nothing put before or after it."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, special tokens included."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text


class _Fields:
    """Metadata by type; a field of another type means a damaged file."""

    def __init__(self, path: Path, metadata: dict[str, Value]) -> None:
        self._path = path
        self._metadata = metadata

    def text(self, key: str, default: str | None = None) -> str:
        value = self._metadata.get(key, default)
        if not isinstance(value, str):
            raise NotGguf(self._path, f"it has no {key}")
        return value

    def texts(self, key: str) -> list[str]:
        value = self._metadata.get(key)
        if not isinstance(value, list):
            raise NotGguf(self._path, f"it has no {key}")
        return [each for each in value if isinstance(each, str)]

    def numbers(self, key: str, default: list[int]) -> list[int]:
        value = self._metadata.get(key, default)
        return [int(each) for each in value] if isinstance(value, list) else default

    def special(self, tokens: list[str]) -> SpecialTokens:
        named = {
            name: tokens[id]
            for name in ("bos", "eos", "eot", "eom")
            if isinstance(id := self._metadata.get(f"tokenizer.ggml.{name}_token_id"), int)
            and 0 <= id < len(tokens)
        }
        declared = {named[name] for name in ("eos", "eot", "eom") if name in named}
        return SpecialTokens(
            bos=named.get("bos", ""),
            eos=named.get("eos", ""),
            ends=frozenset(declared | _ENDS.intersection(tokens)),
            adds_bos=self._metadata.get("tokenizer.ggml.add_bos_token") is True,
        )


def _byte_level() -> PreTokenizer:
    return ByteLevel(add_prefix_space=False, use_regex=True)


def _single_digits() -> PreTokenizer:
    return Sequence([Digits(individual_digits=True), _byte_level()])


def _split(pattern: str) -> PreTokenizer:
    return Sequence([
        Split(Regex(pattern), behavior="isolated"),
        ByteLevel(add_prefix_space=False, use_regex=False),
    ])


_PRE_TOKENIZERS: dict[str, Callable[[], PreTokenizer]] = {
    "gpt-2": _byte_level,
    "smollm": _single_digits,
    "qwen2": lambda: _split(_QWEN2),
    "llama-bpe": lambda: _split(_LLAMA3),
}
