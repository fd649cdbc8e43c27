"""How many tokens a prompt has: for `usage` and for `count_tokens`, which agree.

Anthropic publishes no tokenizer: `cl100k` stands for it, and the overheads are set so that examples of its
documentation come out: "You are a scientist" with "Hello, Claude" is 14, the tool get_weather with a question about San
Francisco 403 (https://platform.claude.com/docs/en/build-with-claude/token-counting). Images are counted as documented:
width times height by 750, at most 1,600 (…/build-with-claude/vision). Thoughts of earlier turns are not counted.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic.conversation_turns import blocks_of
from chatproof.fake_providers.dialects.image_size import size_of_url
from chatproof.fake_providers.scripting.tokenizer import count

_PROMPT: Final = 3
_PER_MESSAGE: Final = 4
_PER_TOOL: Final = 9
_TOOL_PROMPT: Final = 346  # what the API writes around tools: …/agents-and-tools/tool-use/overview#pricing
_FORCED_PROMPT: Final = 313
_PIXELS_PER_TOKEN: Final = 750
_MOST_OF_AN_IMAGE: Final = 1_600
_OF_A_DOCUMENT: Final = 2_250  # of a page of PDF: 1,500 to 3,000, says …/build-with-claude/pdf-support
_NOT_COUNTED: Final = ("type", "id", "caller", "cache_control")
_VOCABULARY: Final = "cl100k"


def prompt_tokens(body: dict[str, Any]) -> int:
    """The input tokens of a valid request."""
    system = body.get("system") or ""
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    total = _PROMPT + sum(map(_block, blocks)) + _tools(body)
    for message in body["messages"]:
        total += _PER_MESSAGE + sum(map(_block, blocks_of(message)))
    return total


def _block(block: dict[str, Any]) -> int:
    kind = block["type"]
    if kind == "text":
        return count(block["text"], _VOCABULARY)
    if kind in ("image", "document"):
        return _medium(block["source"]) if kind == "image" else _document(block["source"])
    if kind == "tool_result":
        content = block.get("content") or ""
        return count(content, _VOCABULARY) if isinstance(content, str) else sum(map(_block, content))
    if kind in ("thinking", "redacted_thinking"):
        return 0
    return _json(
        {name: value for name, value in block.items() if name not in ("type", "id", "caller", "cache_control")}
    )


def _medium(source: dict[str, Any]) -> int:
    url = f"data:{source.get('media_type')};base64,{source.get('data')}"
    if (size := size_of_url(url) if source["type"] == "base64" else None) is None:
        return _MOST_OF_AN_IMAGE
    return min(_MOST_OF_AN_IMAGE, math.ceil(size[0] * size[1] / _PIXELS_PER_TOKEN))


def _document(source: dict[str, Any]) -> int:
    if source["type"] == "text":
        return count(source["data"], _VOCABULARY)
    content = source.get("content")
    return _json(content) if content is not None else _OF_A_DOCUMENT


def _tools(body: dict[str, Any]) -> int:
    if not (tools := body.get("tools")):
        return 0
    is_forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    total = _FORCED_PROMPT if is_forced else _TOOL_PROMPT
    for tool in tools:
        words = f"{tool.get('name', '')} {tool.get('description') or ''}"
        total += _PER_TOOL + count(words, _VOCABULARY) + _json((tool.get("input_schema") or {}).get("properties") or {})
    return total


def _json(value: Any) -> int:
    try:
        return count(json.dumps(value, ensure_ascii=False, separators=(",", ":")), _VOCABULARY)
    except RecursionError:
        return 0
