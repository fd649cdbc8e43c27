"""A reply that goes on when its client leaves: the client leaves it, resumes it, and stops it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any, Self

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.interruption import (
    SAID,
    WATCHED_LONGER,
    HangUp,
    Interruption,
    Moment,
    reply_under_way,
    seconds_until_over,
)
from chatproof.conformance.suite.replies import SseStream, Stream
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.client.http import Deadlines, HttpRequest, json_of
from chatproof.harness.protocol.apis.api import Conversation, Endpoint, HttpAsk
from chatproof.harness.protocol.checks.resumed import fault_of_pieces, last_event_id, text_of_whole_events
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.transcript import Transcript

RESUMED_AT = "Last-Event-ID"
NOTHING_RUNS = (204, 404)  # the answers of a server that has no reply to resume
EVENT_IN = 0.5  # seconds to wait for a reply's first events
RELOAD = 0.3  # seconds: a page that is loaded again takes that long; a server may note a new reply a little late


@dataclass(slots=True)
class KeptReply:
    """A reply and the streams over which its client has read it: the ask's, and one for each time it was resumed.

    `session` names the conversation, `run` the ask. `source`: the client's address. `credential`: its user's token.
    `streams` is empty for a reply that nobody asked for.
    """

    case: Case
    script: str
    session: str
    run: str
    source: str | None
    credential: str | None = None
    streams: list[Stream] = field(default_factory=list)
    earlier: str = ""  # the text of the reply before it, which a server may give as well when it is resumed

    @classmethod
    async def under_way(cls, case: Case, moment: Moment, **how: Any) -> Self:
        """Ask in a new conversation, and wait until the provider has come to a moment; `how` as for `Case.start`.

        Raises:
            NotReached: that does not come in time.
        """
        session, source = case.lane.new_session(), case.lane.budget.addresses.fresh()
        how = {"session": session, "source": source, **how}
        stream = await reply_under_way(case, moment, **how)
        await stream.until(lambda reply: bool(reply.run or reply.tokens), EVENT_IN)  # else it cannot be named
        run = stream.transcript.case
        return cls(case, moment.script, how["session"], run, how["source"], how.get("credential"), [stream])

    @classmethod
    def of_nobody(cls, case: Case) -> Self:
        """One in a conversation that nobody has begun."""
        lane = case.lane
        return cls(case, "paced", lane.new_session(), lane.new_case(), lane.budget.addresses.fresh())

    @property
    def transcript(self) -> Transcript:
        """That of the last stream."""
        return self.streams[-1].transcript

    @property
    def fault(self) -> str:
        """What is wrong with the text that came over all streams, in words, or nothing.

        Of a stream that gives the reply before as well a beginning is enough: its end can look like that of all."""
        *left, last = (stream.transcript for stream in self.streams)
        rest = words(last.text.removeprefix(self.earlier)) if self.earlier else ""
        if rest and last.text.startswith(self.earlier) and words(self.text).startswith(rest):
            return ""
        wrong = fault_of_pieces([text_of_whole_events(one) for one in left], last.text, self.text)
        if not wrong and not self.case.lane.succeeded(last):
            return f"the whole text came, but the reply did not end well: {last.outcome()}"
        return f"{wrong}; {last.outcome()}" if wrong else ""

    @property
    def message(self) -> str:
        """What the user said."""
        return self._of(None).message

    @property
    def text(self) -> str:
        """All that the provider says."""
        return self.case.provider.text(self.script)

    async def stop_reading(self) -> None:
        """Take no more bytes of the last stream."""
        stream = self.streams[-1]
        assert isinstance(stream, SseStream)
        await stream.exchange.stop_reading()

    async def leave(self, how: HangUp) -> None:
        await how.leave(self.streams[-1])

    async def resume(self, deadlines: Deadlines | None = None, credential: str | None = None) -> Transcript:
        """Resume it, and give the answer once its head has come.

        Args:
            credential: the token of whoever resumes it; its own user's if left out.
        """
        ask = self._ask(self.case.lane.api.resume, "resume", credential)
        waits = 0
        while True:
            how = (deadlines, None, None, self.run, self.script)
            stream = self.case.begin(HttpRequest.of(ask), self.source, *how)
            patience = (deadlines or self.case.lane.budget.deadlines).silence
            await stream.until(lambda answer: answer.status is not None, patience)
            if not await self.case.refused_for_now(stream.transcript, waits):
                break
            waits += 1
        self.streams.append(stream)
        return stream.transcript

    async def resume_soon(self) -> Transcript:
        """As `resume`, and once more a moment later where the server says that nothing runs."""
        answer = await self.resume()
        if answer.status in NOTHING_RUNS:
            self.streams.pop()
            await asyncio.sleep(RELOAD)
            answer = await self.resume()
        return answer

    async def finish(self) -> Transcript:
        """Read the last stream to its end."""
        return await self.streams[-1].finish()

    async def stop(self, credential: str | None = None) -> Transcript:
        """Ask the stop endpoint, and give its answer. Raises NotApplicable where the api has none."""
        ask = self._ask(self.case.lane.api.stop, "stop", credential)
        return await self.case.request(HttpRequest.of(ask), self.source)

    async def stop_in_time(self, within: float, what: str) -> tuple[Interruption, Transcript]:
        """Stop it, and measure how long the provider goes on. Gives the stop's answer, too."""
        began = time.monotonic()
        answer = await self.stop()
        watched = within + max(WATCHED_LONGER, self.case.watched_longer)
        entries = await self.ended(began + watched - time.monotonic())
        took = seconds_until_over(self.case, entries, began)
        return Interruption(what, took, self.streams[0], watched, entries, "the stop was asked"), answer

    async def ended(self, timeout: float) -> list[Entry]:
        """The provider's requests for it, once all have ended or `timeout` seconds have passed."""
        return await self.case.provider.ended(self.streams[0].transcript, max(0.0, timeout))

    async def requests(self) -> list[Entry]:
        """The provider's streams for it."""
        return [one for one in await self.case.provider.entries(self.streams[0].transcript) if one.stream]

    async def was_whole(self, at: float | None = None) -> bool:
        """Whether the provider has said all of it; with a time (seconds, monotonic), whether it had by then."""
        ends = [one.ended_at if one.whole else None for one in await self.requests()]
        by = time.monotonic() if at is None else at
        return bool(ends) and all(end is not None and self.case.provider.local(end) <= by for end in ends)

    async def told(self) -> str:
        """For a message, whether the server cancelled the provider's request, or nothing."""
        cut = [one for one in await self.requests() if one.ended in ("client_closed", "client_reset") and not one.whole]
        return f"; the server cancelled the provider's request after {shown(cut[0].text, 40)}" if cut else ""

    def _ask(self, endpoint: Endpoint | None, what: str, credential: str | None) -> HttpAsk:
        """A request about it. A client that has an event's id says it to resume, as a browser's EventSource does."""
        api, transcripts = self.case.lane.api, [stream.transcript for stream in self.streams]
        if endpoint is None:
            raise NotApplicable(f"the api {api.name} names no endpoint to {what} a reply")
        seen = last_event_id(transcripts)
        run = next((one.run for one in transcripts if one.run), "")
        ask = api.about(endpoint, self._of(credential or self.credential), run, seen)
        headers = tuple(one for one in ask.headers if one[1] or one[0].lower() != RESUMED_AT.lower())
        says_it = "{last_event}" in repr(endpoint)
        if seen and endpoint is api.resume and not says_it:
            headers = (*headers, (RESUMED_AT, seen))
        return replace(ask, headers=headers)

    def _of(self, credential: str | None) -> Conversation:
        return self.case.lane.conversation(SAID, self.script, self.run, self.session, credential)


def says_that_nothing_runs(answer: Transcript) -> bool:
    """Whether an answer says that there is no reply to resume: 204, a refusal, a JSON object that is no stream, or a
    stream of nothing but its end."""
    if answer.status == 200:
        is_told = "application/json" in (answer.header("content-type") or "") and isinstance(json_of(answer), dict)
        return (answer.is_success or is_told) and not answer.text
    return answer.status == 204 or (answer.status is not None and 400 <= answer.status < 500)
