"""Which events of a reply say something, and where in them: the rules of an own api's table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from chatproof.harness.protocol.apis.json_pointer import ABSENT, Pointer
from chatproof.harness.protocol.messages import JsonObject, is_number

Scalar = str | int | float | bool

_VALUE_BEGINS: Final = ('"', "[")


class SeenEvent(NamedTuple):
    """One event: its name, its data as text, and the JSON value in it, or `ABSENT` where there is none."""

    name: str
    text: str
    value: Any

    @classmethod
    def over_http(cls, name: str, text: str, body: JsonObject | None) -> SeenEvent:
        """An event or a line. `body`: the object in its data, if it was read as one.

        Data that begins with a quotation mark is a string to every client, also where an object stands in it.
        """
        if body is not None and not text.lstrip().startswith(_VALUE_BEGINS):
            return cls(name, text, body)
        try:
            return cls(name, text, json.loads(text))
        except (ValueError, RecursionError):
            return cls(name, text, ABSENT)


@dataclass(frozen=True, slots=True)
class EventRule:
    """A rule. All that it has must hold.

    `event`: the event's name. `mark`: its whole data, which need not be JSON. `where`: a place in its value, and what
    must stand there: the value `equals`, a text that begins with `prefix`, or, without either, anything but null,
    false, 0, "", [] and {}. `pointer`: the place of what the rule is for: the text, the error's text, the reason of the
    end. Without `where`, what is said of `where` is said of `pointer`. `raw`: the whole data is the text.
    """

    event: str = ""
    mark: str = ""
    where: Pointer | None = None
    equals: Scalar | None = None
    prefix: str | None = None
    pointer: Pointer | None = None
    raw: bool = False

    def means(self, seen: SeenEvent) -> bool:
        """Whether an event is one of those that the rule is about."""
        if self.event and seen.name != self.event:
            return False
        if self.mark and seen.text.strip() != self.mark:
            return False
        place = self.where or (None if self.event or self.mark else self.pointer)
        if self.equals is not None or self.prefix is not None:
            place = self.where or self.pointer
        return place is None or self._holds(place.find(seen.value))

    def _holds(self, found: Any) -> bool:
        if self.equals is not None:
            return is_same(found, self.equals)
        if self.prefix is not None:
            return isinstance(found, str) and found.startswith(self.prefix)
        return found is not ABSENT and bool(found)

    def text_in(self, seen: SeenEvent) -> str | None:
        """The text at `pointer`, or, without one, of data that is no JSON. None where that is no string."""
        if self.raw or (self.pointer is None and seen.value is ABSENT and seen.text.strip() != self.mark):
            return seen.text
        found = self.pointer.find(seen.value) if self.pointer else None
        return found if isinstance(found, str) else None


def is_same(found: object, wanted: Scalar) -> bool:
    """Whether a JSON value is that of a table. `true` is not 1; `1.0` is 1, as JSON has one kind of number."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    if is_number(wanted):
        return is_number(found) and found == wanted
    return found == wanted
