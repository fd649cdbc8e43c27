"""Why a test cannot judge."""

from chatproof.conformance.suite.replies import Stream
from chatproof.harness.protocol.transcript import Transcript


class NotTestable(Exception):
    """A precondition failed, which makes the rows red. The text says which."""


class TooLate(NotTestable):
    """Something did not come in time. What ran beside can be the reason, so the test is tried again alone."""


class NotReached(TooLate):
    """An ask, still under way in `stream`, did not get the provider far enough in time."""

    def __init__(self, text: str, stream: Stream) -> None:
        super().__init__(text)
        self.stream = stream


class NotApplicable(Exception):
    """The test needs something that this run does not have. The text says what."""


def without(reply: Transcript, why: str) -> NotTestable:
    """The exception for a test that cannot go on after a reply."""
    return TooLate(why) if reply.did_not_come else NotTestable(why)


class NotLookedAt(NotApplicable):
    """The revision of the contract that is asked for does not know the test. Its rows are left to their other tests."""
