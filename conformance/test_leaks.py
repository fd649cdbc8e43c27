"""PERF-07 and PERF-08: what a server keeps although it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import cycle, islice, pairwise

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.interruption import early
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.open_sockets import settled_sockets
from chatproof.conformance.suite.process_memory import memory_of
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transport

FIFTY, WARM_UP = 50, 10  # interrupted replies, and as many that fail; those before the first look
FEW = 8  # of one kind, to find out which kind keeps its sockets
# official provider clients try a status such as 500 again and again, and these only once
FAILURES = ("bad-key", "drop-mid", "cut-mid", "malformed-mid", "error-mid")
AT_ONCE = 4  # a server may keep as many connections to its provider open, for the next requests
MORE_SOCKETS = 4
CLOSED_WITHIN = 6.0  # seconds; many servers keep a connection for five, for the next request
REPLY_WITHIN = Deadlines(silence=30, whole=60)

ROUND, ROUND_AT_ONCE = 24, 8  # replies
ROUNDS, FURTHER = 3, 2  # further ones, where memory grew in the third
NOISE = 12  # MB in a round: half a megabyte for each reply
MB = 1 << 20

Ask = Callable[[], Awaitable[None]]


def pid_of(case: Case) -> int:
    """The process of the server. Raises NotApplicable where the suite did not start it."""
    case.needs_provider()
    if (server := case.lane.scene.server) is None:
        raise NotApplicable("needs a server that the suite starts (--start), since it looks at its processes")
    return server.process.pid


async def run_all(asks: Sequence[Ask], at_once: int) -> None:
    """Run asks, a few side by side."""
    gate = asyncio.Semaphore(at_once)

    async def one(ask: Ask) -> None:
        async with gate:
            await ask()

    await together(*map(one, asks))


async def leave_one(case: Case, over: Transport) -> None:
    """Ask, and leave after the first token."""
    stream = await case.start(
        "Tell me a lot.", script=early(case).script, over=over, source=case.lane.budget.addresses.fresh()
    )
    await stream.until(lambda reply: bool(reply.tokens), case.lane.budget.deadlines.silence)
    await stream.leave()


async def fail_one(case: Case, over: Transport, script: str) -> None:
    """Ask for a reply that fails."""
    source = case.lane.budget.addresses.fresh()
    await case.ask_once("Please fail.", script=script, over=over, source=source, deadlines=REPLY_WITHIN)


def interrupted(case: Case, number: int, ways: Sequence[Transport]) -> list[Ask]:
    return [partial(leave_one, case, over) for over in islice(cycle(ways), number)]


def failed(case: Case, number: int, ways: Sequence[Transport], scripts: Sequence[str] = FAILURES) -> list[Ask]:
    pairs = islice(zip(cycle(ways), cycle(scripts), strict=False), number)
    return [partial(fail_one, case, over, script) for over, script in pairs]


@requirement("PERF-07")
async def test_sockets_are_closed_again(case: Case) -> None:
    """The server's open sockets after a few interrupted and failed replies, and after a hundred more."""
    pid, ways = pid_of(case), [Transport.SSE]
    if case.lane.shows(Profile.SOCKETIO):
        ways.append(Transport.WEBSOCKET)
    await run_all([*interrupted(case, WARM_UP, ways), *failed(case, WARM_UP, ways)], AT_ONCE)
    before = await settled_sockets(pid, CLOSED_WITHIN)
    await run_all([*interrupted(case, FIFTY, ways), *failed(case, FIFTY, ways)], AT_ONCE)
    after = await settled_sockets(pid, CLOSED_WITHIN, enough=before + MORE_SOCKETS)
    seen = f"{counted(before, 'open socket')} before {FIFTY} interrupted and {FIFTY} failed replies, {after} after them"
    kept = after <= before + MORE_SOCKETS
    if not kept:
        seen += await which_kind(case, pid, ways)
    expected = f"at most {MORE_SOCKETS} more"
    case.holds("PERF-07", kept, seen, expected, measured=True, late=None if kept else Late(float("inf")))


async def which_kind(case: Case, pid: int, ways: Sequence[Transport]) -> str:
    """Which kinds of replies leave sockets open, in words."""
    kinds = {f"interrupted replies over {over}": interrupted(case, FEW, [over]) for over in ways}
    kinds |= {f"replies that fail by {script}": failed(case, FEW, ways, [script]) for script in FAILURES}
    found = []
    for name, asks in kinds.items():
        before = await settled_sockets(pid, 1.0)
        await run_all(asks, AT_ONCE)
        more = await settled_sockets(pid, 1.0) - before
        if more >= FEW // 2:
            found.append(f"{more} for {FEW} {name}")
    return f"; it keeps {', '.join(found)}" if found else ""


@over_both
@requirement("PERF-08")
async def test_memory_does_not_grow_from_round_to_round(case: Case, transport: Transport) -> None:
    """The server's memory after each round of the same replies."""
    pid = pid_of(case)
    sizes: list[int] = []
    while len(sizes) < ROUNDS or (grown(sizes) and len(sizes) < ROUNDS + FURTHER):
        await run_all([partial(reply_of_a_round, case, transport)] * ROUND, ROUND_AT_ONCE)
        sizes.append(memory_of(pid))
    steps = ", ".join(f"{(later - earlier) / MB:.1f}" for earlier, later in pairwise(sizes))
    seen = f"{steps} MB more after each further round of {ROUND} replies ({sizes[0] / MB:.0f} MB after the first)"
    expected = f"under {NOISE} MB more from the third round on, in one of {FURTHER + 1} rounds"
    case.holds("PERF-08", not grown(sizes), seen, expected, measured=True)


def grown(sizes: Sequence[int]) -> bool:
    """Whether memory has grown in the third round, and in each one since."""
    since = sizes[ROUNDS - 2 :]
    return all(later - earlier > NOISE * MB for earlier, later in pairwise(since))


async def reply_of_a_round(case: Case, over: Transport) -> None:
    """A whole reply in a session of its own. Raises NotTestable where it fails."""
    reply = await case.ask(over=over, source=case.lane.budget.addresses.fresh())
    if not case.lane.succeeded(reply):
        raise without(reply, f"an ordinary reply failed: {reply.outcome()}")
