"""The Prometheus text, of a run that is over and of one that goes on."""

from __future__ import annotations

import pytest

from chatproof.loadtests.prometheus import families, text
from tests.loadtests.exposition import samples
from tests.loadtests.runs import a_run


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


def test_what_is_loaded_and_whether_the_run_goes_on() -> None:
    run = a_run(url="http://user:hunter22@127.0.0.1:5000")
    live, over = samples("".join(families(run, under_way=7, is_over=False))), samples(text(run))
    assert (live["chatproof_load_running"][""], over["chatproof_load_running"][""]) == (1, 0)
    assert live["chatproof_load_streams_under_way"][""] == 7
    assert "chatproof_load_streams_under_way" not in over
    assert "chatproof_load_exit_code" not in live, "a run that goes on has none yet"
    (labels,) = over["chatproof_load_run_info"]
    assert 'transport="sse",loop="open",shape="constant"' in labels
    assert "hunter22" not in labels


def test_goodput() -> None:
    found = samples(text(a_run()))
    assert found["chatproof_load_goodput_ratio"][""] == pytest.approx(288 / 300, abs=0.02), "all but those that are cut"
    rate = found["chatproof_load_goodput_streams_per_second"][""]
    assert rate == pytest.approx(10 * found["chatproof_load_goodput_ratio"][""], rel=0.05), "300 streams in 30 s"


def test_words_of_others_are_quoted() -> None:
    run = a_run()
    run.metrics.outcomes['bad "one"\\\n'] = 1
    assert samples(text(run))["chatproof_load_streams_total"]['outcome="bad \\"one\\"\\\\\\n"'] == 1
