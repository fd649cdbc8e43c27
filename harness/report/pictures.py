"""The pictures of the HTML report: which exchanges are drawn, each once, and how to read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chatproof.harness.report.evidence import Evidence
from chatproof.harness.report.markup import anchor, text_of
from chatproof.harness.report.root_causes import Cause
from chatproof.harness.report.summary import RunSummary, is_bad
from chatproof.harness.report.timeline import timeline
from chatproof.harness.report.verdicts import Row

MOST_BYTES = 2_500_000  # of pictures; later rows go without


@dataclass(slots=True)
class Pictures:
    """The pictures of one page. An exchange is drawn once, and of a root cause one exchange."""

    summary: RunSummary
    causes: Mapping[str, Cause]
    _room: int = MOST_BYTES
    _drawn: dict[object, str] = field(default_factory=dict)  # exchanges and causes, with the row that shows them

    def of(self, row: Row) -> Iterator[str]:
        """A row's picture, or where it is; nothing where no stream was recorded that shows the row."""
        shown = [one for one in self.summary.shown(row) if is_stream(one)]
        if not shown:
            return
        exchange, cause = shown[0], self.causes.get(row.name) if is_bad(row) else None
        if above := self._drawn.get(id(exchange)):
            yield _note(f'Its exchange is the one at <a href="#{anchor(above)}">{text_of(above)}</a>.')
            return
        if cause and (above := self._drawn.get(id(cause))):
            where = f'<a href="#{anchor(above)}">{text_of(above)}</a>'
            yield _note(f"It has the same root cause as {where}, whose picture shows it.")
            return
        picture = _figure(exchange, sparse=not is_bad(row)) if self._room > 0 else ""
        self._room -= len(picture)
        if self._room <= 0:
            yield _note("Its picture is left out: the report would grow too large.")
            return
        self._drawn[id(exchange)] = row.name
        if cause:
            self._drawn[id(cause)] = row.name
        yield picture


def is_stream(exchange: Evidence) -> bool:
    """Whether an exchange has a course that a picture can show. A 4xx, or another answer in one piece, has none: its
    body says all."""
    return exchange.transport != "http" and exchange.status in (None, 200)


def _note(markup: str) -> str:
    return f'<p class="note">{markup}</p>'


def _figure(exchange: Evidence, sparse: bool) -> str:
    test = exchange.test.rpartition("::")[2]
    cut = f" · {exchange.cut} points of a long exchange are left out" if exchange.cut else ""
    request = re.split(r" [({]", exchange.request, maxsplit=1)[0]
    script = f" · provider: {exchange.provider[-1].name}" if exchange.provider else ""
    caption = f"<b>{text_of(test)}</b> · {text_of(request)}{text_of(script)} · {text_of(exchange.outcome)}{cut}"
    return f'<figure><figcaption>{caption}</figcaption><div class="scroll">{timeline(exchange, sparse)}</div></figure>'


def _key(shapes: str, lane: str, text: str) -> str:
    return f'<li><svg viewBox="0 0 26 16" aria-hidden="true"><g class="{lane}">{shapes}</g></svg>{text}</li>'


LEGEND = (
    '<ul class="legend">'
    + _key('<path class="write" d="M13 15v-13"/>', "provider", "the provider writes text")
    + _key('<path class="write quiet" d="M13 15v-8"/>', "provider", "other bytes")
    + _key('<path class="read" d="M13 1v13"/>', "client", "the client reads")
    + _key('<circle class="dot" cx="13" cy="8" r="3"/>', "client", "token event")
    + _key('<path class="link" d="M13 0V16"/>', "", "passed on at once")
    + _key('<path class="link late" d="M3 0L24 16"/>', "", "250 ms late or more")
    + _key('<path class="terminal completion" d="M13 2l6 6l-6 6l-6 -6z"/>', "client", "completion")
    + _key('<path class="terminal error" d="M13 2l6 6l-6 6l-6 -6z"/>', "client", "error event")
    + _key('<path class="cross" d="M8 3l10 10m0 -10l-10 10"/>', "client", "fault or broken end")
    + _key('<path class="stop" d="M13 1v14"/>', "provider", "the server hung up on its provider")
    + _key('<path class="left" d="M13 0V16"/>', "", "the client left")
    + _key('<rect class="aftermath" x="2" y="1" width="22" height="14"/>', "", "the provider goes on for nobody")
    + _key('<path class="spot" d="M13 0V16"/>', "", "where the row was violated")
    + "</ul>"
)
