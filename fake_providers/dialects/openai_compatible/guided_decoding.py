"""The parameters with which local servers constrain a reply beside OpenAI's `response_format`.

Source: vLLM's docs/features/structured_outputs.md (`guided_*` until 0.11, then `structured_outputs`), and llama.cpp's
tools/server/README.md (`json_schema`, and `schema` in a `response_format`). All products take all of them here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.structured.answers import (
    json_reply_script,
    matching_reply_script,
    shown_path,
    word_reply_script,
)
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem


def guided_script(body: dict[str, Any]) -> Script | Problem | None:
    """The reply that these parameters demand; None where the request has none of them."""
    for param, value in _given(body).items():
        try:
            return _MAKERS[param.rpartition(".")[2]](value)
        except SchemaProblem as problem:
            return Problem(
                f"Invalid '{param}': at {list(shown_path(problem.path))}: {problem}.", param, "invalid_value"
            )
    return None


def _given(body: dict[str, Any]) -> dict[str, Any]:
    """The parameters by their path, without those that are null."""
    inner, wanted = body.get("structured_outputs"), body.get("response_format") or {}
    found = {name: body.get(name) for name in ("guided_json", "guided_choice", "guided_regex", "json_schema")}
    if isinstance(inner, dict):
        found |= {f"structured_outputs.{name}": inner.get(name) for name in ("json", "choice", "regex", "json_object")}
    if wanted.get("type") == "json_object":
        found["response_format.schema"] = wanted.get("schema")
    return {param: value for param, value in found.items() if value not in (None, False)}


def _json(schema: Any) -> Script:
    if isinstance(schema, str):  # vLLM takes a schema as text too
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError):
            raise SchemaProblem((), "the text is not JSON") from None
    return json_reply_script(schema)


def _choice(words: Any) -> Script:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise SchemaProblem((), "expected an array of strings")
    return word_reply_script({"enum": words})


def _regex(pattern: Any) -> Script:
    if not isinstance(pattern, str):
        raise SchemaProblem((), "expected a string")
    return matching_reply_script(pattern)


_MAKERS: Final[dict[str, Callable[[Any], Script]]] = {
    "guided_json": _json,
    "guided_choice": _choice,
    "guided_regex": _regex,
    "json_schema": _json,
    "json": _json,
    "choice": _choice,
    "regex": _regex,
    "json_object": lambda _: json_reply_script({"type": "object"}),
    "schema": _json,
}
