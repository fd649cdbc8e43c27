"""What a test says to fake providers, in its own process or served: what they play, and what must have happened."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final, Literal, get_args

from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.planning.planner import Planner, Tape
from chatproof.fake_providers.planning.unplanned_request import UnplannedRequest, Unscripted
from chatproof.fake_providers.scripting.faults import Fault
from chatproof.fake_providers.scripting.one_line_reply import OneLineReply, calls, fails, refuses, says, says_json
from chatproof.fake_providers.scripting.script import EXHAUSTED, Exhausted, parse_script
from chatproof.fake_providers.scripting.toml_table import did_you_mean

NeverAsked = Literal["allow", "error"]
Pace = float | Literal["instant"]

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "unscripted": get_args(Unscripted),
    "exhausted": EXHAUSTED,
    "never_asked": get_args(NeverAsked),
}
"""The settings that are a choice, with their values, the default first."""
SETTINGS: Final = ("pace", "strict", *CHOICES)


class ScriptedFakes:
    """Fakes that a test directs.

    `configure` changes the settings. `pace`: real seconds for one second of a script (default: 1), or "instant", which
    takes all delays out of the scripts. `strict`: refuse unknown models, and what else the real APIs refuse of a model
    (default: True). `unscripted`: what a request gets that has no script: "answer", a short reply
    derived from its text (default), or "error", HTTP 400. `exhausted`: what comes after the last script of `plays`:
    "repeat", that one again (default), or "error". `never_asked`: "error" makes `check` fail where planned replies are
    left (default: "allow").
    """

    def __init__(self, planner: Planner, journal: Journal, settings: dict[str, Any]) -> None:
        for name in settings.keys() - set(SETTINGS):
            raise ValueError(f"unknown setting {name!r}.{did_you_mean(name, SETTINGS)} Known: {', '.join(SETTINGS)}.")
        self.journal: Final = journal
        self._planner: Final = planner
        self.pace, self.strict = 1.0, True
        self._exhausted: Exhausted = "repeat"
        self._never_asked: NeverAsked = "allow"
        self._registered: list[str] = []
        self.configure(**settings)

    def configure(
        self,
        *,
        pace: Pace | None = None,
        strict: bool | None = None,
        unscripted: Unscripted | None = None,
        exhausted: Exhausted | None = None,
        never_asked: NeverAsked | None = None,
    ) -> None:
        """Change these settings; None leaves one as it is. ValueError, which says what would be valid."""
        for name, value in (("unscripted", unscripted), ("exhausted", exhausted), ("never_asked", never_asked)):
            if value is not None and value not in CHOICES[name]:
                known = " or ".join(f'"{choice}"' for choice in CHOICES[name])
                raise ValueError(f"{name} must be {known}, not {value!r}.{did_you_mean(str(value), CHOICES[name])}")
        if pace is not None:
            self.pace = pace
        self.strict = self.strict if strict is None else strict
        self._planner.unscripted = unscripted or self._planner.unscripted
        self._exhausted = exhausted or self._exhausted
        self._never_asked = never_asked or self._never_asked

    def answer_from(self, tape: Tape) -> None:
        """Answer requests that have no script with the replies of real providers."""
        self._planner.tape = tape

    @property
    def pace(self) -> float:
        """Real seconds for one second of a script."""
        return self._pace

    @pace.setter
    def pace(self, pace: Pace) -> None:
        self._instant = pace == "instant"
        self._pace = 0.0 if self._instant else _seconds(pace)
        self._pace_changed()

    @property
    def strict(self) -> bool:
        """Whether unknown models, and whatever else the real APIs refuse of a model, are refused."""
        return self._planner.strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        self._planner.strict = strict

    def _pace_changed(self) -> None:
        """Tell whoever else must know."""

    @property
    def unplanned(self) -> deque[UnplannedRequest]:
        """The newest requests that were refused because nothing was planned for them."""
        return self._planner.unplanned

    def plays(self, *replies: str | OneLineReply, exhausted: Exhausted | None = None) -> None:
        """Answer requests that name no scenario with these replies, one after the other: names of scripts, and
        `says(…)`, `calls(…)` and the like. They replace what was planned before; `plays()` forgets it.

        `exhausted`: what comes after the last one: "repeat", that one again, or "error", HTTP 400, and the test
        fails (default: as configured). ScriptError.
        """
        self._planner.play(replies, exhausted or self._exhausted)

    def says(self, text: str, **step: Any) -> None:
        """Answer every request with this text."""
        self.plays(says(text, **step))

    def says_json(self, value: Any, **step: Any) -> None:
        """Answer every request with this value as JSON."""
        self.plays(says_json(value, **step))

    def refuses(self, *text: str, **step: Any) -> None:
        """Answer every request with a refusal."""
        self.plays(refuses(*text, **step))

    def calls(self, tool: str, /, **arguments: Any) -> None:
        """Answer every request with a call of this tool."""
        self.plays(calls(tool, **arguments))

    def fails(self, how: int | Fault, /, **details: Any) -> None:
        """Answer every request with this HTTP status or fault."""
        self.plays(fails(how, **details))

    def script(self, name: str, toml: str) -> None:
        """Add or replace a script. ScriptError says what is wrong with it."""
        self._planner.library.register(parse_script(name, toml))
        self._registered.append(name)

    def wire(self, case: str, *names: str) -> None:
        """Give all further requests of the case these wires; none: what their scripts say. UnknownWire."""
        self._planner.wires.choose(case, names)

    def assert_all_scripted(self) -> None:
        """Assert that no request was refused because nothing was planned for it; the error shows the requests."""
        if self.unplanned:
            raise AssertionError("\n".join([*map(str, self.unplanned), _ADVICE]))

    def assert_all_asked(self) -> None:
        """Assert that requests got every reply given to `plays`, and every script given to `script`."""
        planned = self._planner.never_asked()
        planned += [name for name in dict.fromkeys(self._registered) if name not in {*self._planner.asked, *planned}]
        if planned:
            asked = len(self.journal.entries())
            came = "no request came" if not asked else f"{asked} request{'s'[: asked != 1]} came"
            raise AssertionError(f"planned but never asked: {', '.join(planned)} ({came})")

    def check(self) -> None:
        """Raise AssertionError for what the settings call an error. The fixtures do so when the test has ended."""
        self.assert_all_scripted()
        if self._never_asked == "error":
            self.assert_all_asked()


_ADVICE: Final = (
    'plan a reply with plays("hello"), says("…") or calls("…"), register a script with a [match],'
    ' or name one in the message: "scenario hello"'
)


def _seconds(pace: Pace | str) -> float:
    try:
        seconds = float(pace)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ValueError(f'pace must be 0 or more, or "instant", not {pace!r}')
    return seconds
