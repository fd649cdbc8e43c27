"""The items of a response's output, and the parts that are streamed into them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Part:
    """What deltas fill. `event`: the deltas' name; `key`: the whole text's name in the event that ends them.

    `holder`: the item's field that holds the part, and `place` the name of the part's index in it. `added`: the name
    of the events at the part's beginning and end. Without them, the field is the text itself.
    """

    event: str
    key: str
    holder: str
    added: str = ""
    place: str = ""
    kind: str = ""
    rest: dict[str, Any] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    delta_end: str = ""

    def of(self, text: str) -> dict[str, Any]:
        """The part with that text."""
        return {"type": self.kind, **self.rest, self.key: text}


_CONTENT: Final = ("content", "response.content_part", "content_index")
_SUMMARY: Final = ("summary", "response.reasoning_summary_part", "summary_index")
TEXT: Final = Part(
    "response.output_text",
    "text",
    *_CONTENT,
    kind="output_text",
    rest={"annotations": [], "logprobs": []},
    done={"logprobs": []},
    delta_end=',"logprobs":[]',
)
REFUSAL: Final = Part("response.refusal", "refusal", *_CONTENT, kind="refusal")
SUMMARY: Final = Part("response.reasoning_summary_text", "text", *_SUMMARY, kind="summary_text")
RAW: Final = Part(
    "response.reasoning_text", "text", "content", "response.reasoning_part", "content_index", kind="reasoning_text"
)
"""Thoughts as they are: vLLM sends them so (vllm-project/vllm#24938, #35184), and OpenAI never does."""
ARGUMENTS: Final = Part("response.function_call_arguments", "arguments", "arguments")


def message(digest: str, index: int) -> dict[str, Any]:
    item = {"id": f"msg_{digest}{index:02x}", "type": "message", "status": "in_progress"}
    return {**item, "content": [], "role": "assistant"}


def call(digest: str, number: int, name: str) -> dict[str, Any]:
    ids = {"id": f"fc_{digest}{number:02x}", "type": "function_call", "status": "in_progress"}
    return {**ids, "arguments": "", "call_id": f"call_{digest[:22]}{number:02x}", "name": name}


def raw_reasoning(digest: str, index: int) -> dict[str, Any]:
    """A reasoning item that will hold the thoughts themselves."""
    item = {"id": f"rs_{digest}{index:02x}", "type": "reasoning", "status": "in_progress"}
    return {**item, "summary": [], "content": []}


def reasoning(digest: str, index: int, *, encrypted: bool) -> dict[str, Any]:
    """A reasoning item, whose summary is still empty. It has no status, as the API's has none.

    `encrypted`: with the beginning of its `encrypted_content`; `encrypt` gives the whole. The API says that the one
    of `response.output_item.added` may be incomplete: a client must take that of `response.output_item.done`.
    """
    item = {"id": f"rs_{digest}{index:02x}", "type": "reasoning"}
    secret = {"encrypted_content": encrypt(item["id"])[:60]} if encrypted else {}
    return {**item, **secret, "summary": []}


def encrypt(seed: str) -> str:
    """Bytes that mean nothing, in the shape of the API's: a Fernet token, base64 for URLs, which begins with gAAAA."""
    return base64.urlsafe_b64encode(b"\x80\0\0\0\0" + hashlib.shake_256(seed.encode()).digest(160)).decode()
