"""Percentiles within 0.1 %, whatever the values, and merging that loses nothing."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatproof.loadtests.histogram import Histogram, middle

TIMES = st.lists(st.floats(min_value=1e-5, max_value=1e4), min_size=1, max_size=300)


def exact(values: list[float], percent: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100 - 1e-9)) - 1]


@given(TIMES, st.sampled_from([0.1, 1, 5, 50, 90, 95, 99, 99.9, 100]))
def test_percentiles_are_within_a_thousandth(values: list[float], percent: float) -> None:
    histogram = Histogram()
    histogram.extend(values)
    found, wanted = histogram.percentile(percent), exact(values, percent)
    assert found is not None
    assert abs(found - wanted) <= wanted * 0.001 + 1e-6


@given(TIMES, TIMES, TIMES)
def test_merging_is_the_same_as_pooling(one: list[float], two: list[float], three: list[float]) -> None:
    pooled, merged = Histogram(), Histogram()
    pooled.extend(one + two + three)
    for part in (one, two, three):
        shipped = Histogram()
        shipped.extend(part)
        merged.merge(Histogram.from_json(json.loads(json.dumps(shipped.to_json()))))
    assert merged.counts == pooled.counts
    assert (merged.least, merged.most) == (pooled.least, pooled.most)
    assert merged.total == pytest.approx(pooled.total)


@given(st.integers(min_value=0, max_value=1 << 51))
def test_buckets_hold_what_they_say(value: int) -> None:
    histogram, next_one = Histogram(scale=1), Histogram(scale=1)
    histogram.add(value)
    next_one.add(value + 1)
    (bucket,), (next_bucket,) = histogram.counts, next_one.counts
    assert abs(middle(bucket) - value) <= value / 2048 + 0.5
    assert bucket <= next_bucket


def test_nothing_has_no_percentile_and_negatives_are_none() -> None:
    histogram = Histogram()
    assert histogram.percentile(50) is None
    assert histogram.mean is None
    histogram.add(-0.5)
    assert histogram.percentile(50) == 0.0


def test_scales_do_not_mix() -> None:
    with pytest.raises(ValueError, match="cannot be merged"):
        Histogram(1e6).merge(Histogram(1e3))
