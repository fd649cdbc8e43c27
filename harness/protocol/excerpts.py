"""Values as messages print them. A cut is marked with `…`, so that the redaction recognises half a secret before it."""

from __future__ import annotations

CUT = "…"


def shown(value: object, limit: int = 160) -> str:
    """A value's `repr`: whole up to `limit` characters, else its beginning and its size."""
    if isinstance(value, str | bytes) and len(value) > limit:  # only the part that is shown needs a `repr`
        unit = "bytes" if isinstance(value, bytes) else "characters"
        return f"{value[:limit]!r:.{limit}}{CUT} ({len(value)} {unit})"
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply to be shown"
    return text if len(text) <= limit else f"{text[:limit]}{CUT} ({len(text)} characters)"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown_part(text: str, start: int, end: int) -> str:
    """The `repr` of `text[start:end]`, with `…` where it goes on."""
    start = max(0, start)
    return repr(f"{CUT if start else ''}{text[start:end]}{CUT if end < len(text) else ''}")


def difference(got: str, wanted: str) -> str:
    """Where two texts differ first, with a little of both around it."""
    same = 0
    while same < min(len(got), len(wanted)) and got[same] == wanted[same]:
        same += 1
    near = same - 10
    return (
        f"differs at character {same} (of {len(got)}, wanted {len(wanted)}): "
        f"{shown_part(got, near, same + 30)} instead of {shown_part(wanted, near, same + 30)}"
    )
