"""Why a test cannot come to a verdict."""


class NotTestable(Exception):
    """A precondition failed, which is red; the text says which."""


class NotApplicable(Exception):
    """It needs what this run does not have; the text says what."""
