"""What Anthropic says of its models: the list, page by page, and one of them.

Source: https://platform.claude.com/docs/en/api/models, and an answer of the API in QAInsights/jmeter-ai#49.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic.field_rules import InvalidRequest
from chatproof.fake_providers.models.catalogue import Catalogue, Model, listed, model_of

_USUAL_PAGE: Final = 20
_LONGEST_PAGE: Final = 1_000
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_THINKING: Final = ("adaptive", "between_tools", "disabled", "enabled")
_LINES: Final = ("haiku", "sonnet", "opus", "fable")
_DATE: Final = re.compile(r"-\d{8}$")


def described(name: str, catalogue: Catalogue) -> dict[str, Any] | None:
    """The model of that name, or of that alias; None where there is none."""
    return None if catalogue.find("anthropic", name) is None else _described(model_of("anthropic", name))


def page(query: Mapping[str, str]) -> dict[str, Any]:
    """A page of the list, the newest models first. InvalidRequest for a limit or a cursor that makes no sense."""
    models = [_described(one) for one in listed("anthropic") if one.name == one.group]
    given = query.get("limit") or str(_USUAL_PAGE)
    limit = int(given) if given.isdecimal() and len(given) < 6 else 0
    if not 1 <= limit <= _LONGEST_PAGE:
        raise InvalidRequest(f"limit: Input should be between 1 and {_LONGEST_PAGE}")
    names = [one["id"] for one in models]
    before, after = query.get("before_id"), query.get("after_id")
    for cursor in filter(None, (before, after)):
        if cursor not in names:
            raise InvalidRequest(f"Invalid cursor: {cursor[:64]}")
    start, stop = names.index(after) + 1 if after else 0, names.index(before) if before else len(names)
    found = models[start:stop]
    shown = found[-limit:] if before and not after else found[:limit]
    return {
        "data": shown,
        "has_more": len(found) > len(shown),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def _described(model: Model) -> dict[str, Any]:
    kinds = {kind: f"thinking.type.{kind}" in model.can for kind in _THINKING}
    efforts = {effort: _supported(effort in model.efforts) for effort in _EFFORTS}
    always = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    edits = {"clear_thinking_20251015": True, "clear_tool_uses_20250919": True, "compact_20260112": kinds["adaptive"]}
    return {
        "type": "model",
        "id": model.group,
        "display_name": _title(model.group),
        "created_at": f"{model.version or '1970-01-01'}T00:00:00Z",
        "line": next((line for line in _LINES if line in model.group), None),
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": model.context,
        "max_tokens": model.output,
        "capabilities": {
            **dict.fromkeys(always, _supported(True)),
            "context_management": {**_supported(True), **{name: _supported(so) for name, so in edits.items()}},
            "effort": {**_supported(bool(model.efforts)), **efforts},
            "server_tools": {**_supported(True), **dict.fromkeys(("code_execution", "web_search"), _supported(True))},
            "thinking": {
                **_supported(kinds["enabled"] or kinds["adaptive"]),
                "types": {kind: _supported(so) for kind, so in kinds.items()},
            },
        },
    }


def _supported(is_so: bool) -> dict[str, bool]:
    return {"supported": is_so}


def _title(name: str) -> str:
    """claude-haiku-4-5-20251001 is Claude Haiku 4.5."""
    words = _DATE.sub("", name).split("-")
    numbers = [word for word in words if word.isdecimal()]
    return " ".join([*(word.title() for word in words if not word.isdecimal()), ".".join(numbers)]).strip()
