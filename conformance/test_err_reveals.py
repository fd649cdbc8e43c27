"""ERR-09: what errors tell of the provider."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.session_talk import RETRIES
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.checks.err import no_provider_details
from chatproof.harness.protocol.findings import Check
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


@over_both
@pytest.mark.parametrize("script", SCRIPTS)
@requirement("ERR-09")
async def test_an_error_tells_nothing_of_the_provider(case: Case, transport: Transport, script: str) -> None:
    """Neither its address nor what it said, over the stream, over sockets and over /api/chat."""
    look = no_details(case)
    await case.provider.register(script, SCRIPTS[script])
    case.conforms(await case.ask_once("Please fail.", script=script, over=transport, deadlines=RETRIES), look)
    if transport is Transport.SSE and Profile.CHAT in case.lane.settings.profiles:
        answer = await case.ask_plain("Please fail.", script=script, deadlines=RETRIES)
        if answer.status != 200:
            case.conforms(answer, look)


def no_details(case: Case) -> Check:
    """The check, for the fakes of this lane."""
    return no_provider_details(Target.parse(case.provider.fakes.url).authority, *MARKS)
