"""END-11: whether a timestamp agrees with the clock."""

from __future__ import annotations

from datetime import UTC, datetime

from chatproof.harness.protocol.excerpts import shown

EXAMPLE = "2025-11-20T18:15:30.123456"  # the API document's
OFF_AT_MOST = 60.0  # seconds
FURTHEST_ZONE = 14 * 3600.0  # seconds between UTC and the local time that is furthest from it
QUARTER = 900.0  # seconds; times of different zones are some quarters of an hour apart


def clock_fault(timestamp: str, now: datetime) -> str:
    """What is wrong with a timestamp of this moment, or nothing. Without an offset it may be any zone's local time.

    Args:
        timestamp: an ISO 8601 date and time.
        now: the moment, with its zone.
    """
    then = datetime.fromisoformat(timestamp.upper())
    has_offset = then.tzinfo is not None
    apart = (
        (then - now).total_seconds()
        if has_offset
        else (then - now.astimezone(UTC).replace(tzinfo=None)).total_seconds()
    )
    if abs(apart) <= OFF_AT_MOST:
        return ""
    off_zones = abs(apart - QUARTER * round(apart / QUARTER))  # seconds from the nearest time that a zone can have
    is_a_zone = abs(apart) <= FURTHEST_ZONE + OFF_AT_MOST and off_zones <= OFF_AT_MOST
    if is_a_zone and not has_offset:
        return ""
    if timestamp == EXAMPLE:
        return f"timestamp {timestamp!r}, the API document's example"
    side = "ahead of" if apart > 0 else "behind"
    clock = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    seen = f"timestamp {shown(timestamp)} is {_told(abs(apart))} {side} the clock ({clock})"
    if is_a_zone:
        seen += ": the local time of one zone with the offset of another"
    return seen


def _told(seconds: float) -> str:
    """A duration for a person: in days, hours or minutes."""
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
