"""The Retry-After header (RFC 9110, 10.2.3), which a server may fill with anything."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 100  # characters; a date has 29
_SECONDS = re.compile(r"[0-9]{1,9}")


def seconds_of(header: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After asks a client to wait, from `now` (which has a time zone) on.

    Finite, and negative for a date in the past. None where the header is missing, or is neither a whole number of up
    to nine digits nor a date with a time zone. Never raises.
    """
    value = (header or "").strip() if len(header or "") <= LONGEST else ""
    if is_number_of_seconds(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        return (date - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):  # TypeError: a date without a time zone
        return None


def is_number_of_seconds(header: str) -> bool:
    """Whether a Retry-After is a whole number of seconds, and no date."""
    return _SECONDS.fullmatch(header.strip()) is not None
