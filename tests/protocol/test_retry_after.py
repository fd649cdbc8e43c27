"""Retry-After as a server may send it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chatproof.conformance.test_lim import is_wait
from chatproof.harness.protocol.retry_after import seconds_of

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 17 ", 17.0),
        ("999999999", 999_999_999.0),
        ("Sun, 29 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 29 Nov 2026 11:59:30 GMT", -30.0),
        (None, None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("-1", None),
        ("1e9", None),
        ("0x10", None),
        ("1_0", None),
        ("²", None),  # a digit to `str.isdigit`, and no number to `int`
        ("٣", None),  # a digit of another script, which `int` reads
        ("5, 10", None),
        ("9" * 5_000, None),
        ("soon", None),
        ("Sun, 29 Nov 2026 12:00:30", None),
        ("Sun, 99 Nov 2026 12:00:30 GMT", None),
        ("Sun, 29 Nov 99999999999999999999 12:00:30 GMT", None),
        ("Sun, 29 Nov 2026 12:00:30 +99999999999", None),
    ],
)
def test_what_it_asks_for(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, NOW) == seconds


@pytest.mark.parametrize("header", [None, "nan", "-1", "62", "²", "9" * 5_000, "1.5"])
def test_lim_07_refuses(header: str | None) -> None:
    assert not is_wait(header)


def test_lim_07_accepts_a_minute_in_both_forms() -> None:
    assert is_wait("0")
    assert is_wait("61")
    assert is_wait(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
