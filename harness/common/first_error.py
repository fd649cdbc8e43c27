"""Finds the line that says why a server ended. Node, Java, Go and Ruby print it first and the stack after it; Python
prints it last."""

from __future__ import annotations

import re
from typing import Final

LOOKED_AT: Final = 1_000  # lines, from the end
LONGEST: Final = 2_000  # characters of a line that are looked at

_TRACEBACK: Final = "Traceback (most recent call last):"
_STACK: Final = r"(?!\s|Caused by:|Suppressed:)"  # lines of a stack are indented; a Java exception names its own cause
_CAUSE: Final = re.compile(
    _STACK
    + r"""(?:
        Exception\ in\ thread\ .              # Java
      | panic:\ . | fatal\ error:\ .          # Go
      | FATAL\ ERROR:\ .                      # Node: no memory left
      | (?:Uncaught\ )?                       # Node, Java, Python: a class, perhaps with a code, and a text
        [\w.$]*(?:Error|Exception)(?:\ \[\w+\])?:\ .
      | \[UnhandledPromiseRejection:\ .       # Node: what was thrown is not an Error
      | .*\ \([\w:]*(?:Error|Exception|Interrupt|Errno::\w+)\)$  # Ruby
    )""",
    re.VERBOSE,
)


def first_error(output: str) -> str:
    """The line of a process's output that says why it ended, or nothing where no line looks like that.

    Where it failed more than once, the last failure counts. Not redacted.
    """
    lines = [line[:LONGEST].rstrip() for line in output.splitlines()[-LOOKED_AT:]]
    for number in range(len(lines) - 1, -1, -1):
        if _CAUSE.match(lines[number]):
            return lines[number]
        if lines[number].strip() == _TRACEBACK:
            # an exception of any name, and without a text perhaps: the first line behind the stack
            return next((line for line in lines[number + 1 :] if line and not line.startswith(" ")), "")
    return ""
