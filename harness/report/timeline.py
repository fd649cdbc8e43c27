"""A picture of one exchange: the provider's writes above, the client's reads below, on one time axis in ms.

Between the two, a line leads each piece of text from its write to its read: upright where it was passed on at once,
slanting where it was held back, and many of them meeting in one point where a server buffered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.report.evidence import Evidence, Point, ProviderSide, left_at
from chatproof.harness.report.labels import LabelRow, LabelRows
from chatproof.harness.report.svg import LinearScale, element, picture, round_step, words

WIDTH, LEFT, RIGHT = 960.0, 86.0, 22.0  # px
EDGE = WIDTH - 2  # px: no text goes beyond it
TOP, SIDE, LADDER, BELOW = 30.0, 34.0, 74.0, 62.0  # heights in px: labels, one provider request, lines, client and axis
LATE = 250.0  # ms between a write and its read from which a line is drawn as late
LINE, MOST_LINES = 13.0, 5  # px of a line of texts above the picture, and the most of them
CLUMP = 3  # from this number of tokens at one spot the number is written there
ONE_SPOT = 6.0  # px within which the rows that are violated share one mark
NEAR = 0.9  # px within which points are drawn as one
HOW_ENDED = {
    "completed": "done",
    "faulted": "fault",
    "client_closed": "the server hung up",
    "client_reset": "the server hung up (RST)",
}


def timeline(exchange: Evidence, sparse: bool = False) -> str:
    """Draw one exchange as SVG. `sparse`: fewer points, for a row that passed."""
    scale = Scale(_last(exchange), 4.0 if sparse else NEAR)
    sides = _in_order(exchange.provider)
    write_y = TOP + SIDE * max(1 if _is_known(exchange) else 0, len(sides))
    read_y = write_y + (LADDER if _is_known(exchange) else 0)
    top = LabelRows(LEFT, EDGE, 10, LINE, MOST_LINES)
    moments = list(_moments(exchange, scale, read_y, top))
    parts = [
        *_axis(scale, read_y + 34, TOP - 8),
        *_aftermath(exchange, scale, write_y, sides),
        *_ladder(exchange, scale, write_y, read_y, sparse),
        *_provider(sides, scale, _is_known(exchange)),
        *_client(exchange, scale, read_y),
        *moments,
    ]
    facts = {"data_reads": len(exchange.reads), "data_end": f"{scale.end:g}"}
    whole = element("g", *parts, transform=f"translate(0 {top.above:g})")
    return picture(WIDTH, read_y + BELOW + top.above, redacted(described(exchange)), [whole], kind="timeline", **facts)


def described(exchange: Evidence) -> str:
    """The picture in words, for screen readers."""
    parts: list[str] = []
    for side in exchange.provider:
        said = f"{side.name}: {len(side.writes)} writes{_between(side.writes)}"
        parts.append(f"{said}, {HOW_ENDED.get(side.ended or '', 'not over')}")
    parts.append(f"client: {len(exchange.reads)} reads{_between(exchange.reads)}, {exchange.outcome}")
    if exchange.links:
        slowest = max(link.read - link.written for link in exchange.links)
        parts.append(f"a piece of text took {slowest:.0f} ms at most from the provider's write to the client's read")
    return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Scale:
    """Converts ms (0 to `end`) to px. Points within `near` px are drawn as one."""

    end: float
    near: float

    def x(self, at: float) -> float:
        return round(LinearScale(0.0, self.end, LEFT, WIDTH - RIGHT).at(min(max(at, 0.0), self.end)), 1)

    def spots(self, points: Iterable[Point]) -> list[list[Point]]:
        """The points in groups, each drawn at one spot."""
        heaps: list[list[Point]] = []
        for point in sorted(points, key=lambda one: one.at):
            if heaps and self.x(point.at) - self.x(heaps[-1][0].at) < self.near:
                heaps[-1].append(point)
            else:
                heaps.append([point])
        return heaps


def _last(exchange: Evidence) -> float:
    times = [point.at for point in (*exchange.reads, *exchange.events)]
    for side in exchange.provider:
        times += [side.received, *(point.at for point in side.writes), side.ended_at or 0.0]
    times += [exchange.answered or 0.0, exchange.end_at or 0.0]
    if exchange.until and any(side.ended is None for side in exchange.provider):
        times.append(exchange.until)
    return max(times, default=0.0) * 1.02 + 1.0


def _in_order(sides: Sequence[ProviderSide]) -> list[ProviderSide]:
    """The requests such that the one with most tokens is next to the client: then no lines cross."""
    return sorted(sides, key=lambda side: sum(point.kind == "token" for point in side.writes))


def _between(points: Sequence[Point]) -> str:
    if not points:
        return ""
    first, last = points[0].at, points[-1].at
    return f" at {first:.0f} ms" if last - first < 1 else f" from {first:.0f} to {last:.0f} ms"


def _axis(scale: Scale, y: float, top: float) -> Iterable[str]:
    step = max(1.0, round_step(scale.end, 9))
    parts = [element("path", d=f"M{LEFT:g} {y:g}H{WIDTH - RIGHT:g}")]
    for number in range(int(scale.end / step) + 1):
        x = scale.x(number * step)
        parts.append(element("path", kind="grid", d=f"M{x:g} {top:g}V{y:g}"))
        parts.append(words(x, y + 14, f"{number * step:g}"))
    yield element("g", *parts, words(LEFT - 12, y + 14, "ms", kind="unit"), kind="axis")


def _ladder(exchange: Evidence, scale: Scale, top: float, bottom: float, sparse: bool) -> Iterable[str]:
    drawn: set[tuple[int, int]] = set()
    for link in exchange.links:
        x1, x2 = scale.x(link.written), scale.x(link.read)
        spot = (round(x1 / (4 if sparse else 1)), round(x2 / (4 if sparse else 1)))
        if spot in drawn:
            continue
        drawn.add(spot)
        kind = "link late" if link.read - link.written > LATE else "link"
        yield element("path", kind=kind, d=f"M{x1:g} {top:g}L{x2:g} {bottom:g}")


def _aftermath(exchange: Evidence, scale: Scale, bottom: float, sides: Sequence[ProviderSide]) -> Iterable[str]:
    """The time that the provider went on after the client had left."""
    left = left_at(exchange)
    if left is None or not sides:
        return
    ends = [scale.end if side.ended_at is None else side.ended_at for side in sides]
    x, until = scale.x(left), scale.x(max(ends))
    if until - x >= 1:
        yield element("rect", kind="aftermath", x=x, y=TOP - 6, width=until - x, height=bottom - TOP + 6)


def _is_known(exchange: Evidence) -> bool:
    """Whether the provider's side could be seen, also if it was not asked."""
    return bool(exchange.provider) or exchange.until is not None


def _provider(sides: Sequence[ProviderSide], scale: Scale, is_known: bool) -> Iterable[str]:
    if is_known:
        yield element("g", *_requests(sides, scale), kind="provider", data_lane="provider")


def _requests(sides: Sequence[ProviderSide], scale: Scale) -> Iterable[str]:
    if not sides:
        yield _name(TOP + SIDE - 4, "provider", "was not asked")
    for number, side in enumerate(sides):
        y = TOP + SIDE * (number + 1)
        yield _name(y - 4, "provider", side.name.partition(",")[0])
        start, end = scale.x(side.received), scale.x(scale.end if side.ended_at is None else side.ended_at)
        yield element("path", kind="line open" if side.ended_at is None else "line", d=f"M{start:g} {y:g}H{end:g}")
        asked = _tip(f"asked: {side.name}", side.received)
        yield element("circle", kind="ring", tip=asked, cx=start, cy=y, r=3)
        for heap in scale.spots(side.writes):
            tokens = sum(point.kind == "token" for point in heap)
            tall, kind = (20, "write") if tokens else (9, "write quiet")
            yield _tick(scale.x(heap[0].at), y, -tall, kind, heap, f"wrote {_bytes(heap)}", tokens)
        yield from _how_ended(side, scale, y, end)


def _how_ended(side: ProviderSide, scale: Scale, y: float, x: float) -> Iterable[str]:
    text = HOW_ENDED.get(side.ended or "", "not over when the test ended")
    tip = _tip(text, scale.end if side.ended_at is None else side.ended_at)
    if side.ended == "faulted":
        yield _cross(x, y, tip)
    elif side.ended in ("client_closed", "client_reset"):
        yield element("path", kind="stop", tip=tip, d=f"M{x:g} {y - 11:g}v18")
    elif side.ended == "completed":
        yield element("circle", kind="dot", tip=tip, cx=x, cy=y, r=3.5)
    if side.ended != "completed":
        yield LabelRow(LEFT, EDGE, y - 25).place(x, text, "word" if side.ended else "word bad")


def _client(exchange: Evidence, scale: Scale, y: float) -> Iterable[str]:
    yield element("g", *_reads(exchange, scale, y), kind="client", data_lane="client")


def _reads(exchange: Evidence, scale: Scale, y: float) -> Iterable[str]:
    yield _name(y + 4, "client", exchange.transport)
    x, end = scale.x(0), scale.x(scale.end if exchange.end_at is None else exchange.end_at)
    yield element("path", kind=f"line{'' if exchange.end else ' open'}", d=f"M{x:g} {y:g}H{end:g}")
    yield element("path", kind="ask", tip=_tip(f"asked: {exchange.request}", 0.0), d=f"M{x - 5:g} {y - 9:g}h10l-5 8z")
    if exchange.answered is not None:
        tip = _tip(f"status {exchange.status}", exchange.answered)
        yield element("path", kind="head", tip=tip, d=f"M{scale.x(exchange.answered):g} {y:g}v-7")
    clumps: list[tuple[int, float]] = []
    for heap in scale.spots(exchange.reads):
        yield _tick(scale.x(heap[0].at), y, 18, "read", heap, f"read {_bytes(heap)}", 0)
    for heap in scale.spots(point for point in exchange.events if point.kind == Kind.TOKEN):
        x = scale.x(heap[0].at)
        yield element("circle", kind="dot", tip=_tip(_texts(heap), heap[0].at), cx=x, cy=y, r=2.5)
        if len(heap) >= CLUMP:
            clumps.append((len(heap), x))
    below = LabelRow(LEFT, EDGE, y + 15)
    yield from (below.place(x, f"{size} tokens", "word count", gap=6) for size, x in sorted(clumps, reverse=True))
    for point in exchange.events:
        if point.kind in (Kind.COMPLETION, Kind.ERROR):
            tip = _tip(f"{point.kind} {point.text}", point.at)
            d = f"M{scale.x(point.at):g} {y - 6:g}l6 6l-6 6l-6 -6z"
            yield element("path", kind=f"terminal {point.kind}", tip=tip, d=d)


def _moments(exchange: Evidence, scale: Scale, y: float, top: LabelRows) -> Iterable[str]:
    """The end as the client saw it, and where rows were violated. `top`: the texts above the picture."""
    if (left := left_at(exchange)) is not None:
        yield _upright(scale.x(left), y, "left", "the client left", left, top)
    elif exchange.end_at is not None and exchange.end != "complete":
        text = f"{exchange.end}: {exchange.fault}" if exchange.fault else f"{exchange.end}"
        x = scale.x(exchange.end_at)
        yield _cross(x, y, _tip(text, exchange.end_at))
        yield LabelRow(LEFT, EDGE, y + 30).place(x, clipped(text, 60), "word bad")
    placed: list[tuple[float, list[str]]] = []
    for at, name in sorted((spot.at, spot.id) for spot in exchange.spots if spot.at is not None):
        if placed and scale.x(at) - scale.x(placed[-1][0]) < ONE_SPOT:
            placed[-1][1].append(name)
        else:
            placed.append((at, [name]))
    for at, ids in placed:
        yield _upright(scale.x(at), y, "spot", " ".join(dict.fromkeys(ids)), at, top)


def _upright(x: float, bottom: float, kind: str, text: str, at: float, top: LabelRows) -> str:
    line = element("path", kind=kind, tip=_tip(text, at), d=f"M{x:g} 12V{bottom + 20:g}")
    return line + top.place(x, text, f"word {kind}")


def _cross(x: float, y: float, tip: str) -> str:
    return element("path", kind="cross", tip=tip, d=f"M{x - 5:g} {y - 5:g}l10 10m0 -10l-10 10")


def _tick(x: float, y: float, length: float, kind: str, heap: Sequence[Point], said: str, tokens: int) -> str:
    facts: dict[str, object] = {"data_at": f"{heap[0].at:g}"}
    facts |= {"data_points": len(heap)} if len(heap) > 1 else {}
    facts |= {"data_tokens": tokens} if tokens else {}
    tip = _tip(f"{said} {_texts(heap)}", heap[0].at)
    return element("path", kind=kind, tip=tip, d=f"M{x:g} {y:g}v{length:g}", **facts)


def _bytes(heap: Sequence[Point]) -> str:
    size = counted(sum(point.size for point in heap), "byte")
    return size if len(heap) == 1 else f"{size} at {len(heap)} times:"


def _texts(heap: Sequence[Point]) -> str:
    return " ".join(point.text for point in heap[:4]) + (" …" if len(heap) > 4 else "")


def _tip(text: str, at: float) -> str:
    """What a mark says where the pointer rests on it."""
    return f"{at:.1f} ms: {redacted(text)}"


def _name(y: float, lane: str, detail: str) -> str:
    return words(4, y - 8, lane, kind="lane") + words(4, y + 5, clipped(detail, 14), kind="detail")
