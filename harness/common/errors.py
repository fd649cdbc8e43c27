"""The one error that people see: a line that says what is wrong and where."""


class ChatproofError(Exception):
    """Something outside the server's conduct keeps the suite from judging. Its text is one clear line."""
