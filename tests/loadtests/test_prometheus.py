"""The Prometheus text, read by its own grammar."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chatproof.loadtests.prometheus import text
from tests.loadtests.runs import a_run

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (NaN|[-+0-9.e]+)')


def samples(page: str) -> dict[str, dict[str, float]]:
    """By name and labels; AssertionError for a line that is none, or has no TYPE before it."""
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


def test_the_text_says_what_the_run_was() -> None:
    run = a_run()
    page = text(run)
    assert page.endswith("\n")
    found = samples(page)
    assert found["chatproof_load_streams_total"] == {'outcome="complete"': 288.0, 'outcome="cut"': 12.0}
    assert found["chatproof_load_tokens_total"][""] == 288 * 25 + 12 * 9
    assert found["chatproof_load_exit_code"][""] == 1
    assert found["chatproof_load_objective"]['objective="complete_share>=99%"'] == 0
    unjudged = found["chatproof_load_objective"]['objective="overhead_p95<100ms"']
    assert unjudged != unjudged  # NaN
    assert found["chatproof_load_client_error"]['metric="ttft"'] == 0.0031
    ttft = run.metrics.of("ttft")
    buckets = list(found["chatproof_load_ttft_seconds_bucket"].items())
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert buckets[-1][0] == 'le="+Inf"'
    assert buckets[-1][1] == ttft.count
    below = next(count for label, count in buckets if label == 'le="0.25"')
    assert below == pytest.approx(ttft.count / 2, rel=0.2), "the median first token is a quarter of a second"
    assert found["chatproof_load_ttft_seconds_sum"][""] == pytest.approx(ttft.total)


def test_words_of_others_are_quoted() -> None:
    run = a_run()
    run.metrics.outcomes['bad "one"\\\n'] = 1
    assert samples(text(run))["chatproof_load_streams_total"]['outcome="bad \\"one\\"\\\\\\n"'] == 1
