"""The tokenizer of a GGUF file: rebuilt exactly, and refused clearly when the file is no model."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.engine.gguf_metadata import NotGguf, read_metadata
from fireside.engine.gguf_tokenizer import GgufTokenizer
from fireside.errors import UserError

# "Ġ" is how byte-level BPE writes a space.
TOKENS = ["<|im_start|>", "<|im_end|>", "a", "b", "Ġ", "1", "2", "ab", "Ġab", "12", "</s>"]
KINDS = [3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1]
MERGES = ["a b", "Ġ ab", "1 2", "no where"]


def write(path: Path, **changes: Any) -> Path:
    """A GGUF file with a tokenizer and no weights, as the official library writes it."""
    fields = {
        "model": "gpt2",
        "pre": "smollm",
        "tokens": TOKENS,
        "kinds": KINDS,
        "eos": 1,
    } | changes
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(fields["model"])
    writer.add_tokenizer_pre(fields["pre"])
    writer.add_token_list(fields["tokens"])
    writer.add_token_types(fields["kinds"])
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(fields["eos"])
    writer.add_chat_template("{{ messages[0].content }}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny.gguf")


def test_a_file_by_the_official_library_is_read_whole(model: Path) -> None:
    metadata = read_metadata(model)
    assert metadata["general.architecture"] == "llama"
    assert metadata["tokenizer.ggml.tokens"] == TOKENS
    assert metadata["tokenizer.ggml.token_type"] == KINDS


def test_every_type_of_value_is_read(tmp_path: Path) -> None:
    path = tmp_path / "types.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint8("a", 255)
    writer.add_int8("b", -1)
    writer.add_uint16("c", 65_535)
    writer.add_int16("d", -2)
    writer.add_int32("e", -3)
    writer.add_uint64("f", 2**63)
    writer.add_int64("g", -(2**62))
    writer.add_float32("h", 0.5)
    writer.add_float64("i", 0.1)
    writer.add_bool("j", True)
    writer.add_array("k", [1.5, 2.5])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    metadata = read_metadata(path)
    assert [metadata[key] for key in "abcdefghijk"] == [
        *(255, -1, 65_535, -2, -3, 2**63, -(2**62), 0.5, 0.1, True, [1.5, 2.5])
    ]


def test_digits_stand_alone_where_llama_cpp_splits_them(tmp_path: Path, model: Path) -> None:
    smollm = GgufTokenizer.load(model)
    assert smollm.encode("ab ab12") == [7, 8, 5, 6]
    gpt2 = GgufTokenizer.load(write(tmp_path / "gpt2.gguf", pre="gpt-2"))
    assert gpt2.encode("ab ab12") == [7, 8, 9]


def test_special_tokens_are_found_in_text_even_if_the_file_calls_an_end_plain(model: Path) -> None:
    tokenizer = GgufTokenizer.load(model)
    assert tokenizer.encode("<|im_start|>a<|im_end|>") == [0, 2, 1]
    assert tokenizer.decode([0, 2, 8, 1]) == "<|im_start|>a ab<|im_end|>"
    assert tokenizer.encode("a</s>b") == [2, 10, 3]
    assert tokenizer.special.ends == {"<|im_end|>", "</s>"}
    assert tokenizer.special.eos == "<|im_end|>"
    assert tokenizer.chat_template == "{{ messages[0].content }}"


def test_a_tokenizer_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    for changes in ({"model": "llama"}, {"pre": "tekken"}):
        with pytest.raises(UserError, match=next(iter(changes.values()))) as caught:
            GgufTokenizer.load(write(tmp_path / "other.gguf", **changes))
        assert caught.value.code == "unsupported_tokenizer"
        assert "smollm" in caught.value.hint


def header(version: int = 3, num_tensors: int = 0, num_entries: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, num_tensors, num_entries)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "too short"),
        (b"GGUF", "too short"),
        (b"<!DOCTYPE html><html>404 not found</html>", "does not begin"),
        (b"PK\x03\x04" + b"\0" * 40, "does not begin"),
        (header(version=1), "version is 1"),
        (header(version=0x03000000), "version is"),  # big-endian
        (header(num_entries=2**63), "more entries"),
        (header(num_tensors=2**40), "more entries"),
        (header(num_entries=1), "ends within"),
        (header(num_entries=1) + struct.pack("<Q", 2**62), "ends within"),
        (header(num_entries=1) + struct.pack("<Q1sI", 1, b"k", 77), "unknown type"),
        (header(num_entries=1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 8, 2**60), "longer than"),
        (header(num_entries=1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 1), "unknown type"),
        (header(num_entries=1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 9_999_999), "ends within"),
        (header() + b"\0" * 8, "tokenizer.ggml.model"),
    ],
)
def test_a_file_that_is_no_model_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(NotGguf, match=told) as caught:
        GgufTokenizer.load(path)
    assert caught.value.code == "not_gguf"
    assert "Download" in caught.value.hint


def test_tokens_and_types_that_do_not_match_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotGguf, match="do not match"):
        GgufTokenizer.load(write(tmp_path / "odd.gguf", kinds=[1]))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_an_error_that_can_be_read_or_does_no_harm(
    model: Path, data: st.DataObject
) -> None:
    whole = model.read_bytes()
    if data.draw(st.booleans(), label="cut"):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    path = model.with_name("damaged.gguf")
    path.write_bytes(damaged)
    try:
        tokenizer = GgufTokenizer.load(path)
    except UserError as error:
        assert error.hint
    else:
        assert tokenizer.encode("") == []
