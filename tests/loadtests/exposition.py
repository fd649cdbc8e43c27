"""Prometheus' text format, read by its own grammar."""

from __future__ import annotations

import re
from typing import Any

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (NaN|[-+0-9.e]+)')


def samples(page: str) -> dict[str, dict[str, float]]:
    """The samples by name and labels. AssertionError for a line that is no sample, or has no TYPE line before it."""
    found: dict[str, dict[str, float]] = {}
    typed: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match: Any = SAMPLE.fullmatch(line)
            assert match, line
            family = re.sub(r"_(bucket|sum|count)$", "", match[1])
            assert match[1] in typed or typed.get(family) == "histogram", line
            assert (match[2] or "") not in found.setdefault(match[1], {}), line
            found[match[1]][match[2] or ""] = float(match[3])
    return found
