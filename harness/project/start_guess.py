"""The command that starts a server, from a line that somebody wrote for a shell, an image or a process manager."""

from __future__ import annotations

import json
import re
import shlex
from typing import Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.start_command import words_of
from chatproof.harness.project.project_folder import ProjectFolder

PYTHONS: Final = ("python", "python3")
MODULES: Final = ("uvicorn", "gunicorn", "hypercorn", "flask", "fastapi", "daphne", "granian")  # commands of packages
_VARIABLE: Final = re.compile(r"\$PORT\b|\$\{PORT(?::-\d+)?\}")
_PORT: Final = re.compile(
    r"(?P<before>(?:^|[\s=:])(?:(?:--port|-p)[ =]|(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::\]):))\d{2,5}\b"
)
_ANYWHERE: Final = re.compile(r"\b0\.0\.0\.0\b|\[::\]")


def without_shell(command: str) -> str:
    """The command where it needs no shell, with `{port}` and 127.0.0.1 in place of what it says; else nothing."""
    text = _VARIABLE.sub("{port}", command.strip())
    text = _ANYWHERE.sub("127.0.0.1", _PORT.sub(r"\g<before>{port}", text))
    if "$" in text or "\n" in text:
        return ""
    try:
        words = words_of(text)
    except ChatproofError:
        return ""
    return "" if "=" in words[0] or words[0] in ("sh", "bash", "/bin/sh", "/bin/bash", "exec") else text


def python_command(text: str, python: str) -> str:
    """A command of Python's, run by the interpreter `python`; nothing where it is another program's."""
    program, _, rest = text.partition(" ")
    if program in PYTHONS:
        return f"{python} {rest}"
    return f"{python} -m {text}" if program in MODULES else ""


def image_command(project: ProjectFolder) -> str:
    """What a Dockerfile's last stage starts, as a command without a shell; nothing where that is not said so simply."""
    text = re.sub(r"\\\r?\n", " ", project.text("Dockerfile"))
    stage = re.split(r"(?im)^\s*FROM\s", text)[-1]
    parts = [_instruction(stage, name) for name in ("ENTRYPOINT", "CMD")]
    command = without_shell(" ".join(filter(None, parts)))
    return "" if "/app/" in command or "docker-entrypoint" in command else command


def process_command(project: ProjectFolder) -> str:
    """What a Procfile's line `web:` starts."""
    found = re.search(r"(?m)^web:\s*(.+)$", project.text("Procfile"))
    return without_shell(found[1]) if found else ""


def _instruction(stage: str, name: str) -> str:
    found: list[str] = re.findall(rf"(?im)^\s*{name}\s+(.+)$", stage)
    if not found:
        return ""
    line = found[-1].strip()
    try:
        words = json.loads(line)
    except ValueError:
        return line
    return shlex.join(map(str, words)) if isinstance(words, list) else ""
