"""A picture of one exchange: the provider's writes above, the client's reads below, on one time axis in ms.

Between the two, a line leads each piece of text from its write to its read: upright where it was passed on at once,
slanting where it was held back, and many of them meeting in one point where a server buffered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.report.evidence import Evidence, Point, ProviderSide, left_at

WIDTH, LEFT, RIGHT = 960.0, 86.0, 22.0  # px
TOP, SIDE, LADDER, BELOW = 30.0, 34.0, 74.0, 62.0  # heights in px: labels, one provider request, lines, client and axis
LATE = 250.0  # ms between a write and its read from which a line is drawn as late
CLUMP = 3  # tokens at one spot from which their number is written there
NEAR = 0.9  # px within which points are drawn as one
HOW_ENDED = {
    "completed": "done",
    "faulted": "fault",
    "client_closed": "the server hung up",
    "client_reset": "the server hung up (RST)",
}


def timeline(exchange: Evidence, sparse: bool = False) -> str:
    """Draw one exchange as SVG. `sparse`: fewer points, for a picture that nobody needs in detail."""
    scale = Scale(_last(exchange), 4.0 if sparse else NEAR)
    sides = _in_order(exchange.provider)
    write_y = TOP + SIDE * max(1 if _is_known(exchange) else 0, len(sides))
    read_y = write_y + (LADDER if _is_known(exchange) else 0)
    height = read_y + BELOW
    parts = [
        *_axis(scale, read_y + 34, TOP - 8),
        *_aftermath(exchange, scale, write_y, sides),
        *_ladder(exchange, scale, write_y, read_y, sparse),
        *_provider(sides, scale, _is_known(exchange)),
        *_client(exchange, scale, read_y),
        *_moments(exchange, scale, read_y),
    ]
    label = _safe(described(exchange))
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}"'
        f' data-reads="{len(exchange.reads)}" data-end="{scale.end:g}">' + "".join(parts) + "</svg>"
    )


def described(exchange: Evidence) -> str:
    """The picture in words."""
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
    """From ms to px, for times from 0 to `end`; `near` px are one spot."""

    end: float
    near: float

    def x(self, at: float) -> float:
        share = min(max(at, 0.0), self.end) / self.end
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def spots(self, points: Iterable[Point]) -> list[list[Point]]:
        """The points in heaps, each of which is one spot of the picture."""
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
    """The request that said most next to the client, so that its lines cross no other."""
    return sorted(sides, key=lambda side: sum(point.kind == "token" for point in side.writes))


def _between(points: Sequence[Point]) -> str:
    if not points:
        return ""
    first, last = points[0].at, points[-1].at
    return f" at {first:.0f} ms" if last - first < 1 else f" from {first:.0f} to {last:.0f} ms"


def _axis(scale: Scale, y: float, top: float) -> Iterable[str]:
    step = _step(scale.end)
    yield f'<g class="axis"><path d="M{LEFT:g} {y:g}H{WIDTH - RIGHT:g}"/>'
    for number in range(int(scale.end / step) + 1):
        x, text = scale.x(number * step), f"{number * step:g}"
        yield f'<path class="grid" d="M{x:g} {top:g}V{y:g}"/><text x="{x:g}" y="{y + 14:g}">{text}</text>'
    yield f'<text class="unit" x="{LEFT - 12:g}" y="{y + 14:g}">ms</text></g>'


def _step(end: float) -> float:
    rough = end / 9
    power = 10 ** math.floor(math.log10(rough)) if rough > 0 else 1
    return float(max(1, next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)))


def _ladder(exchange: Evidence, scale: Scale, top: float, bottom: float, sparse: bool) -> Iterable[str]:
    drawn: set[tuple[int, int]] = set()
    for link in exchange.links:
        x1, x2 = scale.x(link.written), scale.x(link.read)
        spot = (round(x1 / (4 if sparse else 1)), round(x2 / (4 if sparse else 1)))
        if spot in drawn:
            continue
        drawn.add(spot)
        kind = "link late" if link.read - link.written > LATE else "link"
        yield f'<path class="{kind}" d="M{x1:g} {top:g}L{x2:g} {bottom:g}"/>'


def _aftermath(exchange: Evidence, scale: Scale, bottom: float, sides: Sequence[ProviderSide]) -> Iterable[str]:
    """What the provider was still asked for after the client had left."""
    left = left_at(exchange)
    if left is None or not sides:
        return
    ends = [scale.end if side.ended_at is None else side.ended_at for side in sides]
    x, until = scale.x(left), scale.x(max(ends))
    if until - x >= 1:
        size = f'width="{until - x:.1f}" height="{bottom - TOP + 6:g}"'
        yield f'<rect class="aftermath" x="{x:g}" y="{TOP - 6:g}" {size}/>'


def _is_known(exchange: Evidence) -> bool:
    """Whether the provider's side of the exchange could be seen, be it that nothing was asked."""
    return bool(exchange.provider) or exchange.until is not None


def _provider(sides: Sequence[ProviderSide], scale: Scale, is_known: bool) -> Iterable[str]:
    if not is_known:
        return
    yield '<g class="provider" data-lane="provider">'
    if not sides:
        yield _name(TOP + SIDE - 4, "provider", "was not asked")
    for number, side in enumerate(sides):
        y = TOP + SIDE * (number + 1)
        yield _name(y - 4, "provider", side.name.partition(",")[0])
        start, end = scale.x(side.received), scale.x(scale.end if side.ended_at is None else side.ended_at)
        kind = "line open" if side.ended_at is None else "line"
        yield f'<path class="{kind}" d="M{start:g} {y:g}H{end:g}"/>'
        yield _titled(f'<circle class="ring" cx="{start:g}" cy="{y:g}" r="3"/>', f"asked: {side.name}", side.received)
        for heap in scale.spots(side.writes):
            tokens = sum(point.kind == "token" for point in heap)
            tall, kind = (20, "write") if tokens else (9, "write quiet")
            yield _tick(scale.x(heap[0].at), y, -tall, kind, heap, f"wrote {_bytes(heap)}", tokens)
        yield from _how_ended(side, scale, y, end)
    yield "</g>"


def _how_ended(side: ProviderSide, scale: Scale, y: float, x: float) -> Iterable[str]:
    text = HOW_ENDED.get(side.ended or "", "not over when the test ended")
    at = scale.end if side.ended_at is None else side.ended_at
    if side.ended == "faulted":
        mark = f'<path class="cross" d="M{x - 5:g} {y - 5:g}l10 10m0 -10l-10 10"/>'
    elif side.ended in ("client_closed", "client_reset"):
        mark = f'<path class="stop" d="M{x:g} {y - 11:g}v18"/>'
    elif side.ended == "completed":
        mark = f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="3.5"/>'
    else:
        mark = ""
    if mark:
        yield _titled(mark, text, at)
    if side.ended != "completed":
        yield _label(x, y - 25, text, "word" if side.ended else "word bad")


def _client(exchange: Evidence, scale: Scale, y: float) -> Iterable[str]:
    yield '<g class="client" data-lane="client">'
    yield _name(y + 4, "client", exchange.transport)
    end = scale.x(scale.end if exchange.end_at is None else exchange.end_at)
    yield f'<path class="line{"" if exchange.end else " open"}" d="M{scale.x(0):g} {y:g}H{end:g}"/>'
    x = scale.x(0)
    yield _titled(f'<path class="ask" d="M{x - 5:g} {y - 9:g}h10l-5 8z"/>', f"asked: {exchange.request}", 0.0)
    if exchange.answered is not None:
        x = scale.x(exchange.answered)
        head = _titled(f'<path class="head" d="M{x:g} {y:g}v-7"/>', f"status {exchange.status}", exchange.answered)
        yield head
    tokens = scale.spots(point for point in exchange.events if point.kind == Kind.TOKEN)
    for heap in scale.spots(exchange.reads):
        yield _tick(scale.x(heap[0].at), y, 18, "read", heap, f"read {_bytes(heap)}", 0)
    for heap in tokens:
        x = scale.x(heap[0].at)
        yield _titled(f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="2.5"/>', _texts(heap), heap[0].at)
        if len(heap) >= CLUMP:
            yield _label(x, y + 15, f"{len(heap)} tokens", "word count", gap=6)
    for point in exchange.events:
        if point.kind in (Kind.COMPLETION, Kind.ERROR):
            x = scale.x(point.at)
            mark = f'<path class="terminal {point.kind}" d="M{x:g} {y - 6:g}l6 6l-6 6l-6 -6z"/>'
            yield _titled(mark, f"{point.kind} {point.text}", point.at)
    yield "</g>"


def _moments(exchange: Evidence, scale: Scale, y: float) -> Iterable[str]:
    """The end as the client saw it, and where rows were violated."""
    left = left_at(exchange)
    if left is not None:
        yield _upright(scale.x(left), y, "left", "the client left", left)
    elif exchange.end_at is not None and exchange.end != "complete":
        text = f"{exchange.end}: {exchange.fault}" if exchange.fault else f"{exchange.end}"
        x = scale.x(exchange.end_at)
        yield _titled(f'<path class="cross" d="M{x - 5:g} {y - 5:g}l10 10m0 -10l-10 10"/>', text, exchange.end_at)
        yield _label(x, y + 30, clipped(text, 60), "word bad")
    placed: dict[float, list[str]] = {}
    for spot in exchange.spots:
        if spot.at is not None:
            placed.setdefault(spot.at, []).append(spot.id)
    for at, ids in placed.items():
        yield _upright(scale.x(at), y, "spot", " ".join(dict.fromkeys(ids)), at)


def _upright(x: float, bottom: float, kind: str, text: str, at: float) -> str:
    line = _titled(f'<path class="{kind}" d="M{x:g} 12V{bottom + 20:g}"/>', text, at)
    return line + _label(x, 10, text, f"word {kind}")


def _tick(x: float, y: float, length: float, kind: str, heap: Sequence[Point], said: str, tokens: int) -> str:
    times = f' data-at="{heap[0].at:g}"' + (f' data-points="{len(heap)}"' if len(heap) > 1 else "")
    times += f' data-tokens="{tokens}"' if tokens else ""
    return _titled(f'<path class="{kind}" d="M{x:g} {y:g}v{length:g}"{times}/>', f"{said} {_texts(heap)}", heap[0].at)


def _bytes(heap: Sequence[Point]) -> str:
    size = f"{sum(point.size for point in heap)} bytes"
    return size if len(heap) == 1 else f"{size} at {len(heap)} times:"


def _texts(heap: Sequence[Point]) -> str:
    return " ".join(point.text for point in heap[:4]) + (" …" if len(heap) > 4 else "")


def _titled(mark: str, text: str, at: float) -> str:
    """A mark that says what it is where the pointer rests on it."""
    opening = mark[: mark.index(" ")].removeprefix("<")
    return f"{mark.removesuffix('/>')}><title>{at:.1f} ms: {_safe(text)}</title></{opening}>"


def _label(x: float, y: float, text: str, kind: str, gap: float = 4) -> str:
    """A text beside `x`, on the side where there is room."""
    fits = x + gap + 6.2 * len(text) < WIDTH
    x, anchor = (x + gap, "start") if fits else (x - gap, "end")
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    return escape(redacted(text), quote=True)


def _name(y: float, lane: str, detail: str) -> str:
    return (
        f'<text class="lane" x="4" y="{y - 8:g}">{lane}</text><text class="detail" x="4" y="{y + 5:g}">'
        f"{escape(clipped(detail, 14), quote=True)}</text>"
    )
