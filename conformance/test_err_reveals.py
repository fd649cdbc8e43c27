"""ERR-09: what errors tell of the provider."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.provider import RETRIES
from chatproof.conformance.suite.together import together
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.checks.err import no_provider_details
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transport

# words of the provider's errors that stand nowhere else
NOTE, CODE = "shard quokka-7 of tenant umbrella-12", "quokka_overloaded"
TOLD = f'message = "{NOTE}"\ncode = "{CODE}"\n'
AT_ONCE = "retry_after_ms = 50\n"
SCRIPTS = {
    "told-401": f'about = "HTTP 401 with a text."\n[[steps]]\nfault = "status"\nstatus = 401\n{TOLD}',
    "told-500": f'about = "HTTP 500 with a text."\n[[steps]]\nfault = "status"\nstatus = 500\n{AT_ONCE}{TOLD}',
    "told-mid": f'about = "An error with a text in mid-reply."\n[[steps]]\ntokens = ["So", " far"]\n[[steps]]\n'
    f'fault = "error"\n{TOLD}',
    "page-502": f'about = "The page of a proxy."\n[[steps]]\nfault = "status"\nstatus = 502\n{AT_ONCE}body = "html"\n',
    "cut-off": 'about = "The connection is closed."\n[[steps]]\nfault = "close"\n',
}
MARKS = (NOTE, CODE, "<h1>502</h1>")
REFUSED_FOR = 25.0  # seconds, longer than official provider clients try


@over_both
@pytest.mark.parametrize("script", SCRIPTS)
@requirement("ERR-09")
async def test_an_error_tells_nothing_of_the_provider(case: Case, transport: Transport, script: str) -> None:
    """Neither its address nor what it said, over the stream, over sockets and over /api/chat."""
    await case.provider.register(script, SCRIPTS[script])
    routes = [transport, None] if transport is Transport.SSE else [transport]
    await judge_errors(case, script, routes)


@requirement("ERR-09", when=When.ALONE)
async def test_a_refused_connection_tells_nothing_of_the_provider(case: Case) -> None:
    """Nobody listens at the provider's address, which is what the exceptions of clients name then."""
    sockets = [Transport.WEBSOCKET] if Profile.SOCKETIO in case.lane.settings.profiles else []
    async with case.provider.refusing(REFUSED_FOR):
        await judge_errors(case, "hello", [Transport.SSE, None, *sockets])


async def judge_errors(case: Case, script: str, routes: Sequence[Transport | None]) -> None:
    """Ask over each route, None being /api/chat where the server declares it, and judge the error that comes."""
    asks = [
        case.ask_once("Please fail.", script=script, over=route, deadlines=RETRIES)
        if route
        else case.ask_plain("Please fail.", script=script, deadlines=RETRIES)
        for route in routes
        if route or case.lane.shows(Profile.CHAT)
    ]
    address = Target.parse(case.provider.fakes.url).authority
    for reply in await together(*asks):
        case.conforms(reply, no_provider_details(address, *MARKS))
