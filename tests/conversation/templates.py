"""Chat templates in the shapes that models have, written for these tests, and a toy tokenizer."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fireside.conversation.render import Renderer
from fireside.conversation.wire.chat_template import ChatTemplate

NOW = datetime(2026, 3, 4, tzinfo=UTC)

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\\nBe helpful.<|im_end|>\\n' }}{% endif %}\
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

LLAMA3 = """{{- bos_token }}
{%- set date = strftime_now("%d %b %Y") %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday is " + date + "." }}
{%- if messages[0]['role'] == 'system' %}
    {{- "\\n" + messages[0]['content'] | trim }}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

# The system's words go into the first message; roles must alternate; replies follow a space.
MISTRAL = """{{ bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content + '\\n\\n' %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, roles must alternate') }}
    {%- endif %}
    {%- if message.role == 'user' %}
        {{- '[INST] ' + (system if loop.first else '') + message.content + '[/INST]' }}
    {%- else %}
        {{- ' ' + message.content + eos_token }}
    {%- endif %}
{%- endfor %}"""

GEMMA = """{{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}\
{{ raise_exception('System role not supported') }}{% endif %}\
{% for message in messages %}\
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}\
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

# Tools in the system message, calls as JSON, results in one user message: as Qwen 2.5 has them.
TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\nTools:' }}
    {%- for tool in tools %}{{ '\\n' }}{{ tool | tojson }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>' + message.content }}
        {{- '</tool_response><|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

# Writes the system's words into the last message by the user, and so moves them as turns are added.
MOVING = """{% for message in messages %}{% if message.role == 'user' %}\
{{ '<|im_start|>user\\n' + ('(Be brief.) ' if messages[loop.index0 + 1:] | selectattr('role', \
'equalto', 'user') | list | length == 0 else '') + message.content + '<|im_end|>' }}\
{% else %}{{ '<|im_start|>assistant\\n' + message.content + '<|im_end|>' }}{% endif %}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

SPECIAL = (
    "<s> </s> <bos> <|begin_of_text|> <|im_start|> <|im_end|> <|eot_id|> <|start_header_id|> "
    "<|end_header_id|> <start_of_turn> <end_of_turn> [INST] [/INST]"
).split()
ENDS = frozenset({"</s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"})

# Greedy and longest first, with merges across words, lines and brackets, so that a text cut in two
# is often encoded otherwise than whole.
_MERGED = ["\n\n\n", "\n\n", ".\n", "\n ", "  ", "ab", "abc", "bcd", " a", "] ", "\na", "12"]
_TOKEN = re.compile("|".join(map(re.escape, SPECIAL + _MERGED)) + "|.", re.DOTALL)


class ToyTokenizer:
    """Numbers tokens as they come; `text` gives them back."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._tokens: list[str] = []

    def encode(self, text: str) -> list[int]:
        ids = []
        for token in _TOKEN.findall(text):
            if token not in self._ids:
                self._ids[token] = len(self._tokens)
                self._tokens.append(token)
            ids.append(self._ids[token])
        return ids

    def text(self, ids: list[int]) -> str:
        return "".join(self._tokens[id] for id in ids)


def renderer(
    source: str, tokenizer: ToyTokenizer, bos: str = "<s>", *, adds_bos: bool = False
) -> Renderer:
    """A renderer of `source` with the toy tokenizer."""
    template = ChatTemplate(source, NOW, bos_token=bos, eos_token="</s>")
    return Renderer(template, tokenizer.encode, ends=ENDS, adds_bos=adds_bos)
