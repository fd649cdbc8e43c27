"""The words of a `--start` command. No shell runs it."""

from __future__ import annotations

import re
import shlex
from typing import Final

from chatproof.harness.common.errors import ChatproofError

# quoted parts and escaped characters, which a shell would take as they are, or what it would act on
_PARTS: Final = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|(?P<shell>&&|\|\|?|>>?|<<?|;|`|\$\()""", re.DOTALL)


def words_of(command: str, port: int = 0) -> list[str]:
    """The program and its arguments, with `{port}` replaced.

    Raises:
        ChatproofError: the command is empty, has an open quote, or needs a shell.
    """
    for part in _PARTS.finditer(command):
        if found := part["shell"]:
            raise ChatproofError(
                f"--start: there is no shell, so {found!r} would be an argument of the server; "
                f"to use a shell, write --start {shlex.quote(f'sh -c {shlex.quote(command)}')}"
            )
    try:
        words = shlex.split(command.replace("{port}", str(port)))
    except ValueError as error:
        raise ChatproofError(f"--start: {command!r}: {str(error).lower()}") from error
    if not words:
        raise ChatproofError("--start: the command is empty")
    return words
