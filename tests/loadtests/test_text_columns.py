"""Tables in a terminal: whatever stands in a cell, the columns do not touch."""

from __future__ import annotations

import random
import re

from chatproof.loadtests.compare import Comparison, Difference
from chatproof.loadtests.metrics import KINDS
from chatproof.loadtests.run_summary import summary
from chatproof.loadtests.text_columns import columns
from tests.loadtests.runs import a_run


def test_a_column_is_as_wide_as_its_widest_cell() -> None:
    randoms = random.Random(3)
    for _ in range(50):
        rows = [["x" * randoms.randint(1, 30) for _ in range(5)] for _ in range(4)]
        assert [re.split(r"\s{2,}", line.strip()) for line in columns(rows, right={1, 3})] == rows


def test_the_tables_of_a_run_and_of_a_comparison() -> None:
    """`± 56.3554.8 tokens/s` once stood there: a rate with its error is wider than a time."""
    run = a_run()
    run.metrics.of("tokens_per_second").extend([1405.25, 7554.8, 99999.5])
    head, *lines = summary(run).splitlines()
    rows = lines[: sum(1 for _ in run.metrics.measured())]
    assert len(rows) >= 6
    for row in (head, *rows):
        assert len(re.split(r"\s{2,}", row)) == 6, row
    rate = KINDS["tokens_per_second"]
    compared = Comparison([Difference("tokens_per_second_p50", rate, 12405.1, 12554.8, -25000.5, 25000.5, 10.0)])
    for line in compared.text().splitlines():
        assert len(re.split(r"\s{2,}", line)) == 5, line
