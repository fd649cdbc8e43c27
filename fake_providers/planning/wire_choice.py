"""Which wires a reply gets: those that its message names, else those of its case, else its script's own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Recall, Reply
from chatproof.fake_providers.scripting.wire_table import known_wires, wires_in

Read = Callable[[IncomingRequest], Ask | Reply | Recall]

_MAX_CASES: Final = 10_000
_WITH_USAGE: Final = frozenset({"usage-always", "usage-with-finish"})
"""Who writes these gives the usage unasked."""


class WireChoice:
    """The wires that were chosen by case id; the 10,000 newest."""

    def __init__(self) -> None:
        self._by_case: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def choose(self, case: str, names: Sequence[str]) -> tuple[str, ...]:
        """Give all further requests of the case these wires; no names: what their scripts say. UnknownWire."""
        wires = known_wires(names)
        self._by_case.pop(case, None)
        if names:
            self._by_case[case] = wires
        if len(self._by_case) > _MAX_CASES:
            self._by_case.popitem(last=False)
        return wires

    def of(self, ask: Ask, own: tuple[str, ...]) -> tuple[str, ...]:
        """The wires of a request; `own` are its script's. UnknownWire if its message asks for what there is not."""
        named = wires_in(ask.text)
        if named is None and self._by_case and (case := ask.case) is not None:
            named = self._by_case.get(case)
        return own if named is None else named


def wired(ask: Ask, wires: tuple[str, ...], request: IncomingRequest, read: Read) -> Ask:
    """The ask with its wires. Where these need the usage, it is as if the client had asked for it."""
    if not ask.usage and not _WITH_USAGE.isdisjoint(wires):
        options = {**(request.json.get("stream_options") or {}), "include_usage": True}
        again = read(replace(request, json={**request.json, "stream_options": options}))
        assert isinstance(again, Ask), "the request was valid without it"
        ask = replace(again, script=ask.script)
    return replace(ask, wires=wires)
