"""From a request to the timed writes that answer it, without a socket. The server and the in-process fakes use it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from chatproof.fake_providers.dialects.base import Ask, Dialect, IncomingRequest, Recall, Reply
from chatproof.fake_providers.models.catalogue import LENIENT, STRICT, Catalogue
from chatproof.fake_providers.planning.http_writes import Grouping, WritePlan, plan_writes
from chatproof.fake_providers.planning.kept_replies import KeptReplies
from chatproof.fake_providers.planning.reads import Reads
from chatproof.fake_providers.planning.sequences import SequenceOver, Sequences
from chatproof.fake_providers.planning.stop_strings import cut_at
from chatproof.fake_providers.planning.unplanned_request import REFUSALS, UnplannedRequest, Unscripted, Why
from chatproof.fake_providers.planning.wire_choice import WireChoice, wired
from chatproof.fake_providers.scripting.one_line_reply import OneLineReply
from chatproof.fake_providers.scripting.script import PLAYED, Exhausted, Script, check_sequence, script_of
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.scripting.selection import UNKNOWN_SCENARIO, case_in
from chatproof.fake_providers.scripting.wire_table import UnknownWire, unplayable
from chatproof.fake_providers.wires.rewrite import BATCH, delayed, rewritten

_CACHE_BYTES: Final = 32_000_000
_GROUPINGS: Final = {"batched": Grouping(events_per_write=BATCH), "split": Grouping(each=True)}
_NO_WIRES: Final = "This stream has one form only: leave out the wire."
_UNPLANNED: Final = 20  # requests that are kept

_CacheKey = tuple[str, Ask, bool, bool, bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request is answered. `script`: the name that the request gave, or the chosen script's own."""

    plan: WritePlan
    provider: str
    stream: bool
    script: str | None
    case: str | None
    wires: tuple[str, ...] = ()


class NotRecorded(LookupError):
    """A tape has no reply to a request. One line says why."""


class Tape(Protocol):
    """Replies of real providers: recorded before, or fetched now. `left`: names of those that no request has got."""

    @property
    def left(self) -> list[str]: ...

    def script(self, provider: str, request: IncomingRequest, ask: Ask) -> Script:
        """The reply to the request. NotRecorded."""


class Planner:
    """Chooses dialect and script, and plans the writes. It knows where each sequence stands.

    Equal requests share one plan: it caches up to 32 MB of them. For one thread at a time. `strict`: refuse unknown
    models, and whatever else the real API refuses of the model; otherwise any name and any length is accepted.
    """

    def __init__(self, library: ScriptLibrary, *, strict: bool = False) -> None:
        self.library: Final = library
        self.strict = strict
        self.sequences: Final = Sequences()
        self.kept: Final = KeptReplies()
        self._reads: Final = Reads()
        self.wires: Final = WireChoice()
        self._plans: OrderedDict[_CacheKey, WritePlan] = OrderedDict()
        self._plans_size = 0
        self.unscripted: Unscripted = "answer"
        self.unplanned: deque[UnplannedRequest] = deque(maxlen=_UNPLANNED)
        """The newest requests that were refused because no script was planned for them."""
        self.asked: set[str] = set()
        """The names of the scripts that requests got."""
        self.tape: Tape | None = None
        """Where set, it answers the requests that have no script."""
        self._one_line: dict[str, Script] = {}

    def answer(self, request: IncomingRequest, *, chunks_allowed: bool, keep_alive: bool) -> Answer:
        """The answer to a provider's request.

        `chunks_allowed`: False for HTTP/1.0. `keep_alive`: whether the client wants to use the connection again.
        """
        scripts = self.library.current()
        dialect, found = self._reads.read(request, scripts, strict=self.strict)
        if isinstance(found, Recall):
            found = found.answer(self.kept)
        if isinstance(found, Reply):
            if self.unscripted == "error" and any(name == UNKNOWN_SCENARIO for name, _ in found.headers):
                self.unplanned.append(UnplannedRequest.of("unknown", request))
            plan = plan_writes(found, chunks_allowed, keep_alive, head_only=request.method == "HEAD")
            return Answer(plan, dialect.NAME, found.chunked, None, found.case or case_in(request.json))
        named = found.script.name if found.script.sequence and found.scenario is not None else ""
        own = found.script.wires
        if (chosen := self._script(found, dialect, request, scripts)) is not found.script:
            found = replace(found, script=chosen)
        self.asked.add(chosen.name)
        wires, problem = self._wires(dialect, found, found.script.wires or own)
        if problem is not None:
            plan = plan_writes(dialect.refuse(found, problem), chunks_allowed, keep_alive)
        else:
            if wires:
                found = wired(found, wires, request, lambda one: dialect.read(one, scripts, self._catalogue))
            gzip = "gzip" in wires and "gzip" in request.headers.get("accept-encoding", "")
            plan = self._plan(dialect, found, chunks_allowed, keep_alive, gzip)
            if found.kept_as is not None and plan.status == 200:
                self.kept.keep(found)
        script = named or found.script.name or None
        return Answer(plan, dialect.NAME, found.stream, script, found.case, found.wires)

    def play(self, replies: Sequence[str | OneLineReply], exhausted: Exhausted = "repeat") -> None:
        """Answer requests that name no scenario with these scripts, one after the other; then as `exhausted` says.
        Without a script, nothing is planned any more.

        ScriptError where there is no script of such a name.
        """
        if not replies:
            self.library.register(instead_of=[*self._one_line, PLAYED])
            self._one_line = {}
            return
        one_line: dict[str, Script] = {}
        names: list[str] = []
        for number, reply in enumerate(replies, start=1):
            if isinstance(reply, OneLineReply):
                script = reply.script(f"{number}-{reply.kind}")
                one_line[script.name] = script
                names.append(script.name)
            else:
                names.append(reply)
        document = {"about": "What the test wants.", "sequence": names, "exhausted": exhausted, "match": {"model": "*"}}
        play = script_of(PLAYED, document, "plays")
        check_sequence(play, {**self.library.current(), **one_line}, "plays")
        self.library.register(*one_line.values(), play, instead_of=self._one_line)
        self._one_line = one_line
        self.sequences.clear()

    def never_asked(self) -> list[str]:
        """What was given to `play`, as the test wrote it, or stands on the tape, and no request has got."""
        scripts = self.library.current()
        left = self.sequences.unplayed(scripts[PLAYED]) if PLAYED in scripts else ()
        planned = [scripts[name].about if name in self._one_line else name for name in left]
        return planned + (self.tape.left if self.tape is not None else [])

    @property
    def _catalogue(self) -> Catalogue:
        return STRICT if self.strict else LENIENT

    def _script(self, ask: Ask, dialect: Dialect, request: IncomingRequest, scripts: Mapping[str, Script]) -> Script:
        """What the request's script comes to: one of its sequence, one of the tape, or a refusal."""
        script = ask.script
        if script.sequence:
            self.asked.add(script.name)
            try:
                return self.sequences.script(script, request, ask.case, scripts, after_tool=ask.after_tool)
            except SequenceOver:
                return self._refused("exhausted", ask, request)
        if script.name or ask.flavour == "embeddings":
            return script.reply(ask.after_tool)
        if self.tape is not None:
            try:
                return self.tape.script(dialect.NAME, request, ask)
            except NotRecorded as problem:
                return self._refused("unrecorded", ask, request, str(problem))
        return self._refused("unscripted", ask, request) if self.unscripted == "error" else script

    def _refused(self, why: Why, ask: Ask, request: IncomingRequest, detail: str = "") -> Script:
        """The script that refuses the request, which is kept for the test."""
        self.unplanned.append(UnplannedRequest.of(why, request, ask, detail))
        return REFUSALS[why]

    def _wires(self, dialect: Dialect, ask: Ask, own: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
        """The wires of a streamed reply, and why it cannot be played, if so. `own`: those of its script."""
        form = dialect.form(ask)
        if form is None and not ask.stream:
            return (), None
        try:
            wires = self.wires.of(ask, own)
        except UnknownWire as unknown:
            return (), str(unknown)
        if form is None:
            return (), _NO_WIRES if wires else None
        return (wires, unplayable(wires, form) or ask.script.unplayable(form)) if ask.stream else ((), None)

    def _plan(self, dialect: Dialect, ask: Ask, chunks_allowed: bool, keep_alive: bool, gzip: bool) -> WritePlan:
        key = (dialect.NAME, ask, chunks_allowed, keep_alive, gzip)
        if (known := self._plans.get(key)) is not None:
            self._plans.move_to_end(key)
            return known
        if ask.stops and (cut := cut_at(ask.script, ask.stops, ask.vocabulary)) is not None:
            ask = replace(ask, script=cut.script, stopped_by=cut.string)
        reply, wires = dialect.render(ask), ask.wires
        grouping = Grouping(ask.script.writes == "each", ask.script.events_per_write)
        if wires and (form := dialect.form(ask)) is not None:
            reply = rewritten(reply, ask, form, gzip=gzip)
            grouping = _GROUPINGS.get(next((one for one in wires if one in _GROUPINGS), ""), grouping)
            chunks_allowed = chunks_allowed and "unchunked" not in wires
        if ask.script.headers or ask.script.body_end:
            reply = delayed(reply, ask.script)
        made = plan_writes(reply, chunks_allowed, keep_alive, grouping=grouping)
        self._plans[key] = made
        self._plans_size += _size(key, made)
        while self._plans_size > _CACHE_BYTES:
            self._plans_size -= _size(*self._plans.popitem(last=False))
        return made


def _size(key: _CacheKey, plan: WritePlan) -> int:
    """Bytes that an entry of the cache holds: its key has the request's body."""
    return plan.size + len(key[1].request[1])
