"""The error that the commands print as one line, without a traceback."""

import os


class ChatproofError(Exception):
    """The command cannot do its work: a wrong setting, no server, a port in use. Its text is one line for the user."""


def reason_of(error: OSError) -> str:
    """The system's own message, which asyncio replaces by the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
