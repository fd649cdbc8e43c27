"""All rows about one reply, in a covering array of situations: a fault may show only where two things meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.odd_replies import form_of
from chatproof.conformance.suite.places import AFTER_STOPPED
from chatproof.conformance.suite.situation_player import SituationPlayer, register_scripts, wires_for
from chatproof.conformance.suite.situation_search import SituationSearch
from chatproof.harness.protocol.apis.api import History
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.situations.axes import COMPANY, PLACE, REQUEST, SIZE, TRANSPORT, WIRE, Axis
from chatproof.harness.protocol.situations.situation import Situation
from chatproof.harness.report.situation_tally import SituationTally

OVER_SOCKETS = Situation.of({TRANSPORT.name: "websocket"})


@requirement(
    *("SES-15", "SSE-01", "SSE-02", "SSE-03", "SSE-04", "SSE-05", "SSE-09", "SSE-10", "TOK-01", "TOK-02", "TOK-03"),
    *("TOK-04", "END-01", "END-02", "END-03", "END-04", "END-07", "END-08", "SES-07", "SES-08"),
    *("REQ-02", "REQ-12", "TOK-06", "TOK-07", "API-01", "API-04", "API-05"),
    *("OAI-01", "OAI-02", "OAI-03", "AIS-01", "AIS-02", "AIS-03", "AIS-04", "AIS-05", "AIS-06"),
    *("AGU-01", "AGU-02", "AGU-04"),
    of_array=True,
)
async def test_streams_in_many_situations(case: Case) -> None:
    """The request's form, the place in its session, the provider's form, the size and the company."""
    await judge_situations(case, "over SSE", (REQUEST, PLACE, WIRE, SIZE, COMPANY), Situation())


@requirement(
    *("SIO-14", "SIO-02", "SIO-03", "SIO-04", "TOK-01", "TOK-02", "TOK-03", "TOK-04", "SES-07", "SES-08"),
    *("TOK-06", "TOK-07"),
    of_array=True,
)
async def test_sockets_in_many_situations(case: Case) -> None:
    """The same over Socket.IO: over WebSocket, over polling, and upgraded."""
    await judge_situations(case, "over Socket.IO", (TRANSPORT, PLACE, WIRE, SIZE, COMPANY), OVER_SOCKETS)


async def judge_situations(case: Case, which: str, axes: Sequence[Axis], base: Situation) -> None:
    """Try the covering array of what this server and this run can do."""
    lane, settings = case.lane, case.lane.settings
    tally = SituationTally(f"with {lane.state.name} {which}")
    lane.state.situations[which] = tally
    if lane.provider is None:
        tally.none = "since no fake provider is behind the server"
    elif not lane.budget.addresses.available:
        tally.none = "since each needs a source address of its own, and the suite has one"
    wanted = Situation.parse(settings.situation or "")
    if {axis for axis, _ in wanted.odd} - {axis.name for axis in axes}:
        tally.none = f"since {wanted} is no situation {which}"
    if tally.none:
        raise NotApplicable(f"no situations, {tally.none}")
    await register_scripts(case)
    unjudged: Mapping[str, str] = {}
    try:
        plain = await case.ask()
        entry = await case.provider.asked(plain)
        player = SituationPlayer(case, form_of(entry) if entry and entry.stream else None)
        search = SituationSearch(case, player, [possible(case, player, axis) for axis in axes], base, tally)
        if settings.situation:
            await search.repeat(base.with_all(wanted))
        else:
            await search.run(settings.seed or settings.contract or lane.contract.revision)
        unjudged = search.unjudged
    except NotTestable as reason:
        tally.none = f"since {reason}"
    for row in set(case.ids) - {record.id for record in case.records}:
        if why := tally.none or unjudged.get(row):
            case.cannot_judge(row, why)  # other tests can
        else:
            case.keep(row, [], None)


def possible(case: Case, player: SituationPlayer, axis: Axis) -> Axis:
    """The axis with the values that this server declares, and this run can have."""
    names = {value.name for value in axis.values}
    if axis is WIRE:
        names = {name for name in names if wires_for(name, player.form)}
    if axis is PLACE and Profile.SOCKETIO not in case.lane.settings.profiles:
        names -= {"other-transport"}
    if axis is PLACE and case.lane.settings.resumes:
        names -= {AFTER_STOPPED.name}
    ask = case.lane.api.ask(case.lane.conversation("", "hello", case.lane.new_case()))
    if axis is REQUEST and ask.body is None:
        names -= {"two-packets", "charset"}
    if axis is PLACE and case.lane.api.history is not History.SERVER:
        names -= {"no-id"}  # the id means nothing to a server that keeps no turns
    if axis is COMPANY and not case.lane.side_by_side:
        names = set()
    return axis.only(names)
