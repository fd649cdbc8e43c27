"""Wires: the legal forms of a provider's stream. A wire carries the whole text, and every official client reads it.

This table is the only place that lists them: scripts, messages, the admin pages, the tests and docs/scripts.md take
wires from here. What some official client cannot read is a fault, not a wire (`faults`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal, get_args

Form = Literal["chat", "responses", "gemini", "gemini-array", "messages", "ollama"]
"""A kind of stream. `chat` is OpenAI's chat completions, also as local servers write them; `gemini` are server-sent
events, `gemini-array` is the JSON array without `alt=sse`; `messages` are Anthropic's; `ollama` are the JSON lines of
/api/chat and /api/generate.
"""
FORMS: Final[tuple[Form, ...]] = get_args(Form)
FORMS_OF: Final[dict[str, tuple[Form, ...]]] = {
    "openai": ("chat", "responses"),
    "gemini": ("gemini", "gemini-array"),
    "anthropic": ("messages",),
    "local": ("ollama", "chat", "responses"),
}
"""The forms that the clients of a provider can ask for."""
_OPENAI: Final[tuple[Form, ...]] = ("chat", "responses")
_EVENTS: Final[tuple[Form, ...]] = (*_OPENAI, "messages")
_GOOGLE: Final[tuple[Form, ...]] = ("gemini", "gemini-array")

PLAIN: Final = "plain"
"""Says "no wire": for a case or a message whose script has one."""
_NAMED: Final = re.compile(
    r"\bscenario\s+[a-z0-9-]+\s+(?:case\s+[a-z0-9-]+\s+)?wire\s+([a-z0-9-]+(?:,[a-z0-9-]+)*)", re.IGNORECASE
)
_GITHUB: Final = "https://github.com/"


@dataclass(frozen=True, slots=True)
class Wire:
    """One legal form of a stream. `kind`: two wires of one kind exclude each other; empty: it goes with all."""

    name: str
    what: str
    who: str
    source: str
    forms: tuple[Form, ...] = FORMS
    kind: str = ""


class UnknownWire(ValueError):
    """There is no such wire, or two that exclude each other are asked for. The text is one line."""


_ALL: Final = (
    # how lines and events are framed
    Wire("crlf", "CRLF line ends", "sse-starlette's default, so many Python servers",
         _GITHUB + "hey-api/hey-api/issues/3054", ("chat", "responses", "messages", "ollama")),
    Wire("lf", "LF line ends, where Google writes CRLF", "LiteLLM's Gemini route",
         _GITHUB + "BerriAI/litellm/pull/29034", ("gemini",)),
    Wire("no-space", "no space behind `data:`", "Spring, Ant Ling, AxonHub",
         _GITHUB + "openai/openai-python/pull/502", _EVENTS),
    Wire("comments", "comments between events, and before the first", "OpenRouter",
         _GITHUB + "openai/openai-go/issues/227", _EVENTS, "control"),
    Wire("ids", "`id`, `event`, `retry` and a comment inside each event", "DashScope (Qwen)",
         "https://www.alibabacloud.com/help/en/model-studio/stream", ("chat",), "control"),
    Wire("no-event-names", "no `event:` lines", "LiteLLM", _GITHUB + "BerriAI/litellm/issues/22102", ("responses",)),
    Wire("no-last-newline", "no newline behind the last line", "gateways before Ollama, as 9router met",
         _GITHUB + "decolua/9router/pull/3545", ("ollama",)),
    # which events there are
    Wire("no-done", "no `[DONE]` at the end", "Perplexity",
         _GITHUB + "perplexityai/api-discussion/issues/209", ("chat",)),
    Wire("done-mark", "a `[DONE]` at the end, which OpenAI does not write here", "LiteLLM",
         _GITHUB + "BerriAI/litellm/issues/22102", ("responses",)),
    Wire("keepalive", "`keepalive` events", "OpenAI, in long replies",
         _GITHUB + "openai/openai-node/pull/1965", ("responses",)),
    Wire("empty-choices", "a first chunk with `choices: []` and `prompt_filter_results`", "Azure",
         _GITHUB + "pydantic/logfire/issues/64", ("chat",)),
    Wire("empty-deltas", "chunks with an empty text between the others", "Groq, gateways with reasoning models",
         _GITHUB + "langchain-ai/langchain/pull/32414", ("chat", *_GOOGLE, "messages", "ollama")),
    Wire("role-with-text", "the role together with the first text, no chunk of its own", "Ollama's /v1",
         _GITHUB + "ollama/ollama/issues/4357", ("chat",), "role"),
    Wire("role-always", "the role in every chunk", "OpenRouter, Ollama's /v1",
         _GITHUB + "openai/openai-go/issues/227", ("chat",), "role"),
    Wire("text-with-finish", "the finish reason together with the last text", "Mistral, Gemini, llm-d",
         _GITHUB + "jeremychone/rust-genai/pull/164", ("chat", *_GOOGLE, "ollama")),
    Wire("thought-with-text", "the last thought together with the first text (local servers' thoughts)",
         "vLLM's parsers", _GITHUB + "BerriAI/litellm/issues/27492", ("chat",)),
    Wire("no-parts", "a last chunk whose content has no parts", "Gemini 2.5",
         _GITHUB + "pydantic/pydantic-ai/pull/2631", _GOOGLE),
    Wire("pings", "`ping` events between the others, and before the first", "Anthropic, in long replies; gateways",
         "https://platform.claude.com/docs/en/build-with-claude/streaming", ("messages",), "control"),
    Wire("no-ping", "no `ping` event", "local servers and gateways with a `/v1/messages`",
         _GITHUB + "NVIDIA/TensorRT-LLM/pull/18289", ("messages",), "control"),
    Wire("unknown-events", "events of a type that no client knows", "Anthropic adds types at any time",
         _GITHUB + "anomalyco/opencode/issues/43765", ("messages",)),
    Wire("several-blocks", "the text in two content blocks", "Anthropic, with citations and its own tools",
         "https://platform.claude.com/docs/en/build-with-claude/citations", ("messages",)),
    Wire("more-message-deltas", "a `message_delta` without a stop reason before the last one",
         "Anthropic: one or more, says its documentation; with a container or compaction",
         "https://platform.claude.com/docs/en/build-with-claude/streaming", ("messages",)),
    # what the events hold
    Wire("null-content", "`content: null` where a chunk has no text", "DeepSeek, NVIDIA NIM",
         _GITHUB + "triton-inference-server/perf_analyzer/issues/386", ("chat",)),
    Wire("null-fields", "null for every field that a chunk does not use", "NVIDIA Dynamo",
         _GITHUB + "ai-dynamo/dynamo/pull/3531", ("chat",)),
    Wire("usage-always", "the usage so far in every chunk", "Perplexity, SiliconFlow, vLLM's continuous_usage_stats",
         _GITHUB + "memex-lab/dart_agent_core/issues/23", ("chat",), "usage"),
    Wire("usage-with-finish", "the usage together with the finish reason, no chunk of its own", "DeepSeek",
         "https://api-docs.deepseek.com/api/create-chat-completion/", ("chat",), "usage"),
    Wire("no-usage", "no usage, also where the request asks for it", "Ollama's /v1 until 2024",
         _GITHUB + "ollama/ollama/issues/4448", ("chat",), "usage"),
    Wire("usage-at-end", "the reply's token counts in the last chunk only", "Gemini 1.5 Flash",
         _GITHUB + "langchain-ai/langchainjs/pull/8694", _GOOGLE),
    Wire("whole-calls", "a tool call in one chunk", "Ollama's /v1, tabbyAPI",
         _GITHUB + "theroyallab/tabbyAPI/issues/460", ("chat",)),
    Wire("extra-fields", "fields that no official client knows", "OpenRouter, Azure; Google adds fields at any time",
         _GITHUB + "openai/openai-go/issues/227"),
    Wire("obfuscation", "a field with random letters in each delta", "OpenAI, unless `include_obfuscation` is false",
         "https://platform.openai.com/docs/api-reference/responses/create", _OPENAI),
    Wire("long-lines", "lines longer than 64 KB", "OpenAI's Responses, images and long calls everywhere",
         _GITHUB + "openai/openai-go/issues/368"),
    Wire("python-json", "JSON as Python's json.dumps writes it: ASCII, surrogate pairs, spaces", "Perplexity",
         _GITHUB + "perplexityai/api-discussion/issues/209"),
    Wire("padded-json", "blanks before the last brace of an event", "Anthropic",
         _GITHUB + "anthropics/anthropic-sdk-python/blob/main/tests/lib/streaming/fixtures/basic_response.txt",
         ("messages",)),
    Wire("large-deltas", "several tokens in one delta", "vLLM and SGLang with a stream interval, Gemini",
         _GITHUB + "ai-dynamo/dynamo/pull/3531", kind="pieces"),
    Wire("code-points", "one code point in each delta: an emoji of several is in several deltas",
         "every tokenizer that splits an emoji", _GITHUB + "kherud/java-llama.cpp/issues/3", kind="pieces"),
    Wire("several-parts", "two texts in one chunk, as two parts", "Gemini",
         _GITHUB + "0xPlaygrounds/rig/pull/947", _GOOGLE, "pieces"),
    # how the bytes travel
    Wire("batched", "eight events in one write", "nginx, where buffering is on",
         _GITHUB + "LostRuins/koboldcpp/pull/1168", kind="writes"),
    Wire("split", "each event in four writes: cut in `data`, in a character, and in the line ends",
         "TCP, TLS and proxies", _GITHUB + "googleapis/js-genai/issues/764", kind="writes"),
    Wire("unchunked", "no chunked encoding: the connection's end is the body's end", "KoboldCpp (HTTP/1.0)",
         _GITHUB + "LostRuins/koboldcpp/blob/concedo/koboldcpp.py"),
    Wire("gzip", "content-encoding: gzip, if the request accepts it", "CDNs and gateways before providers",
         _GITHUB + "epam/ai-dial-core/pull/1646"),
    Wire("content-type", "a charset in the content type, or none where there is one", "Spring, Starlette",
         _GITHUB + "volcano-sh/kthena/issues/1138"),
)  # fmt: skip
WIRES: Final = {wire.name: wire for wire in _ALL}


def wires_of(form: Form) -> tuple[str, ...]:
    """The names of the wires that the form can have and that all official clients of its API read."""
    return tuple(name for name, wire in WIRES.items() if form in wire.forms)


def known_wires(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the table's order, each once; empty for `plain`. UnknownWire."""
    for name in names:
        if name not in WIRES and name != PLAIN:
            near = get_close_matches(name, [*WIRES, PLAIN], n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise UnknownWire(f"Unknown wire '{name[:100]}'.{hint} Known: {', '.join(sorted(WIRES))}, {PLAIN}.")
    chosen = tuple(wire for name, wire in WIRES.items() if name in names)
    kinds: dict[str, str] = {}
    for wire in chosen:
        if wire.kind and kinds.setdefault(wire.kind, wire.name) != wire.name:
            raise UnknownWire(f"The wires '{kinds[wire.kind]}' and '{wire.name}' exclude each other.")
    if PLAIN in names and chosen:
        raise UnknownWire(f"The wire '{PLAIN}' stands alone: it means no wire.")
    return tuple(wire.name for wire in chosen)


def wires_in(text: str) -> tuple[str, ...] | None:
    """The wires that a message asks for, as in `scenario NAME wire NAME,NAME case ID`; None if none. UnknownWire."""
    if "wire" not in text:
        return None
    found = _NAMED.findall(text)
    return known_wires(found[-1].split(",")) if found else None


def unplayable(names: Sequence[str], form: Form) -> str | None:
    """Why a stream of that form cannot have one of the wires: one line that says which can; None if it can."""
    for name in names:
        if form not in (can := WIRES[name].forms):
            return (
                f"The wire '{name}' cannot be written as {form}, only as {', '.join(can)}."
                f" Wires of {form}: {', '.join(wires_of(form))}."
            )
    return None
