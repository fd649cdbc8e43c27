"""The error that the commands print as one line, without a traceback."""


class ChatproofError(Exception):
    """The command cannot do its work: a wrong setting, no server, a port in use. Its text is one line for the user."""
