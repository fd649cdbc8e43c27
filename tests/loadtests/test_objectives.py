"""Objectives: read, refused in one line, judged, and not judged by a client that is too slow."""

from __future__ import annotations

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import DEFAULT, ObjectiveVerdict, exit_code, judge, parse_objectives
from chatproof.loadtests.readers.reading import StreamOutcome


def metrics(ttft: float = 0.2, complete: int = 100, cut: int = 0) -> Metrics:
    made = Metrics()
    made.of("ttft").extend([ttft] * complete)
    made.of("tokens_per_second").extend([20.0] * complete)
    made.outcomes[StreamOutcome.COMPLETE] = complete
    made.outcomes[StreamOutcome.CUT] = cut
    return made


def verdicts(
    text: str, of: Metrics, accuracy: ClientError | None = None, provider: bool = False
) -> tuple[list[str], int]:
    judged = judge(parse_objectives(text), of, accuracy or ClientError(0.001, 0.001, 0.001), provider)
    return [str(one.verdict) for one in judged], exit_code(judged, of)


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        ("ttft_p95<1s", [ObjectiveVerdict.KEPT], 0),
        ("ttft_p95<200ms", [ObjectiveVerdict.MISSED], 1),
        ("ttft_p95<=200 ms,ttft_max<1", [ObjectiveVerdict.KEPT, ObjectiveVerdict.KEPT], 0),
        ("ttft_mean<0.1s,ttft_p50<1s", [ObjectiveVerdict.MISSED, ObjectiveVerdict.KEPT], 1),
        ("tokens_per_second_p5>5", [ObjectiveVerdict.KEPT], 0),
        ("tokens_per_second_p5>=25/s", [ObjectiveVerdict.MISSED], 1),
        ("complete_share>=99%", [ObjectiveVerdict.KEPT], 0),
        ("inter_token_p99<1s", [ObjectiveVerdict.UNJUDGED], 2),
        ("overhead_p95<100ms", [ObjectiveVerdict.NOT_APPLICABLE], 0),
        (
            DEFAULT,
            [ObjectiveVerdict.KEPT, ObjectiveVerdict.KEPT, ObjectiveVerdict.NOT_APPLICABLE, ObjectiveVerdict.KEPT],
            0,
        ),
    ],
)
def test_figures_are_held_against_limits(text: str, expected: list[str], code: int) -> None:
    assert verdicts(text, metrics()) == (expected, code)


def test_with_the_provider_known_its_figures_are_owed() -> None:
    assert verdicts("overhead_p95<100ms", metrics(), provider=True) == ([ObjectiveVerdict.UNJUDGED], 2)


def test_a_client_with_too_large_an_error_does_not_judge() -> None:
    bad = ClientError(0.11, 0.11, 0.11)
    assert verdicts("ttft_p95<1s", metrics(), bad) == ([ObjectiveVerdict.UNJUDGED], 2)
    assert verdicts("ttft_p95<100ms", metrics(), bad) == ([ObjectiveVerdict.UNJUDGED], 2), "neither does it accuse"
    assert verdicts("tokens_per_second_p5>5", metrics(), bad) == ([ObjectiveVerdict.UNJUDGED], 2)
    assert verdicts("ttft_p95<2s", metrics(), bad) == ([ObjectiveVerdict.KEPT], 0)


def test_failing_fast_is_not_passing() -> None:
    assert verdicts(DEFAULT, metrics(complete=98, cut=2))[1] == 1
    nothing = Metrics()
    nothing.outcomes[StreamOutcome.VIOLATION] = 10
    assert verdicts(DEFAULT, nothing)[1] == 1
    assert verdicts("ttft_p95<1s", nothing)[1] == 1
    limited = Metrics()
    limited.outcomes[StreamOutcome.LIMITED] = 10
    assert verdicts(DEFAULT, limited)[1] == 2


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("tfft_p95<1s", "did you mean ttft?"),
        ("tokens_per_secnd_p5>5", "did you mean tokens_per_second?"),
        ("ttft<1s", "needs a statistic: p50"),
        ("complete_share_p50>9%", "takes no statistic"),
        ("ttft_p95<1parsec", "unknown unit 'parsec'"),
        ("ttft_p0<1s", "a percentile must be above 0"),
        ("ttft_p101<1s", "a percentile must be above 0"),
        ("ttft_p95=1s", "is not an objective"),
        ("ttft_p95<1.2.3s", "is not a number"),
        ("ttft_p95<0s", "must be above 0"),
        (" , ", "--slo is empty"),
        ("fast please", "is not an objective"),
    ],
)
def test_what_does_not_parse_is_said_in_one_line(text: str, word: str) -> None:
    with pytest.raises(ChatproofError, match="--slo") as failure:
        parse_objectives(text)
    assert word in str(failure.value)
    assert "\n" not in str(failure.value)
