"""Why a test cannot judge."""


class NotTestable(Exception):
    """A precondition failed, which makes the rows red. The text says which."""


class NotApplicable(Exception):
    """The test needs something that this run does not have. The text says what."""
