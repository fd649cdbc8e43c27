"""Objectives: read, refused in one line, judged, and not judged by a client that is too slow."""

from __future__ import annotations

import json

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import (
    DEFAULT,
    ObjectiveVerdict,
    exit_code,
    judge,
    judge_runs,
    parse_objectives,
)
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.run_summary import verdict_line


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
        ("ttft_p95<190ms", [ObjectiveVerdict.MISSED], 1),
        ("ttft_p95<=210 ms,ttft_max<1", [ObjectiveVerdict.KEPT, ObjectiveVerdict.KEPT], 0),
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


@pytest.mark.parametrize("limit", range(10, 500, 15))
@pytest.mark.parametrize("error", [0, 1, 110, 250])
def test_not_judged_only_where_the_limit_lies_within_the_error_and_then_always(limit: int, error: int) -> None:
    """200 ms ± the error."""
    known = ClientError(error / 1000, error / 1000, error / 1000)
    inside = error and abs(limit - 200) <= error
    code = 2 if inside else 0 if limit > 200 else 1
    assert verdicts(f"ttft_p95<{limit}ms", metrics(), known)[1] == code
    assert verdicts(f"ttft_p95>{limit}ms", metrics(), known)[1] == (code if inside else 1 - code)


def test_at_the_limit_an_exact_figure_is_judged() -> None:
    assert verdicts("ttft_p95<=200ms,complete_share>=100%", metrics(), ClientError())[1] == 0
    assert verdicts("ttft_p95<200ms", metrics(), ClientError())[1] == 1


@pytest.mark.parametrize(
    ("part", "limit", "code"),
    [(0.2, 16, 0), (0.2, 17, 2), (0.2, 25, 2), (0.2, 26, 1), (17, 1, 0), (17, 2, 2), (17, 1000, 2), (0, 19, 0)],
)
def test_a_rate_is_as_wrong_as_its_duration(part: float, limit: int, code: int) -> None:
    """20 tokens/s from a duration that may be wrong by this part: 16.7 to 25 where it is a fifth; where it is more than
    the whole duration, the rate may be any, but not slow."""
    (judged,) = judge(parse_objectives(f"tokens_per_second_p5>{limit}"), metrics(), ClientError(0, 0, part), False)
    assert exit_code([judged], metrics()) == code
    json.dumps(judged.to_json(), allow_nan=False)


def test_a_rates_interval_is_written_out() -> None:
    (judged,) = judge(parse_objectives("tokens_per_second_p5>5"), metrics(), ClientError(0, 0, 0.2), False)
    assert verdict_line(judged) == "kept   tokens_per_second_p5>5: 20.0 tokens/s (16.7 to 25.0 tokens/s)"
    (judged,) = judge(parse_objectives("tokens_per_second_p5>5"), metrics(), ClientError(0, 0, 1.5), False)
    assert verdict_line(judged) == "kept   tokens_per_second_p5>5: 20.0 tokens/s (8.0 tokens/s or more)"


def test_what_is_not_judged_says_why_and_what_to_do() -> None:
    (judged,) = judge(parse_objectives("ttft_p95<300ms"), metrics(), ClientError(0.11, 0.11, 0.11), False)
    assert verdict_line(judged).startswith("?????? ttft_p95<300ms: 200 ms ± 110 ms (the limit lies within the client's")


def test_several_runs_are_judged_by_their_mean() -> None:
    known = ClientError(0.001, 0.001, 0.001)

    def code(text: str, *times: float) -> int:
        runs = [metrics(one) for one in times]
        return exit_code(judge_runs(parse_objectives(text), runs, known, False), runs[0])

    assert code("ttft_p95<300ms", 0.2, 0.21, 0.19) == 0
    assert code("ttft_p95<300ms", 0.2, 0.21, 0.4) == 2, "three runs that differ so much say little"
    assert code("ttft_p95<100ms", 0.2, 0.21, 0.19) == 1
    assert code("ttft_p95<201.5ms", 0.2, 0.2, 0.2) == 0
    assert code("ttft_p95<200.5ms", 0.2, 0.2, 0.2) == 2, "the client's own error does not shrink with more runs"
    assert code("ttft_p95<1s", 0.2) == 2, "one run says nothing about chance"
    assert code("inter_token_p50<1s", 0.2, 0.2) == 2
    judged = judge_runs(parse_objectives("ttft_p50<1s"), [metrics(), Metrics()], known, False)
    assert judged[0].why == "only 1 of 2 runs have values for it"


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
