"""TOK: token events, over SSE and over Socket.IO."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import over_all, over_both, requirement
from chatproof.harness.protocol.apis.chat_stream.token_checks import COUNTS_AND_PARTIALS, TOKEN_CHECKS
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.transcript import Transport


@over_both
@requirement("TOK-01", "TOK-02", "TOK-03")
async def test_tokens_are_typed_counted_and_add_up(case: Case, transport: Transport) -> None:
    """Every token event of an ordinary reply."""
    case.conforms(await case.ask(over=transport), TOKEN_CHECKS)


@over_both
@requirement("TOK-01", "TOK-02", "TOK-03", "TOK-04")
async def test_nothing_is_lost_or_added(case: Case, transport: Transport) -> None:
    """The text is the provider's, for tokens written all at once and with pauses."""
    for script in ("hundred-tokens", "paced"):
        reply = await case.ask(script=script, over=transport)
        case.conforms(reply, TOKEN_CHECKS, text_is(case.provider.text(script)))


@over_all
@requirement("TOK-02", "TOK-03", "TOK-04")
async def test_a_long_reply_is_whole(case: Case, transport: Transport) -> None:
    """Two thousand tokens, as fast as the provider writes."""
    reply = await case.ask(script="long", over=transport)
    case.conforms(reply, COUNTS_AND_PARTIALS, text_is(case.provider.text("long")))


@over_both
@requirement("TOK-02", "TOK-03", "TOK-05")
async def test_odd_text_survives(case: Case, transport: Transport) -> None:
    """Text that careless servers split at, trim, escape or normalise, and bytes cut inside characters."""
    for script in ("nasty", "unicode", "split-bytes"):
        reply = await case.ask(script=script, over=transport)
        case.conforms(reply, COUNTS_AND_PARTIALS, text_is(case.provider.text(script), "TOK-05"))
