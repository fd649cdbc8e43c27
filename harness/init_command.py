"""`chatproof init`: write a project's chatproof.toml, and a workflow that judges its server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chatproof.harness.common.configuration import FILE
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.start_command import words_of
from chatproof.harness.common.suggestions import SuggestingParser
from chatproof.harness.common.toml_file import PROJECT, part_of_project
from chatproof.harness.project.config_file import config_text
from chatproof.harness.project.other_looks import LOOKS
from chatproof.harness.project.project_folder import Guess, ProjectFolder
from chatproof.harness.project.project_look import ProjectLook, look_at
from chatproof.harness.project.workflow_file import workflow_text

WORKFLOW: Final = Path(".github", "workflows", "chatproof.yml")
HELP: Final = f"""\
Look at a project and write {FILE}: how its chat server is started, which api it speaks, which providers it calls
and what it offers. Every guess is printed with the file that it comes from. Nothing is started, and nothing leaves
the machine.
  chatproof init
  chatproof init --ci github          # and {WORKFLOW}, which gates pull requests
  chatproof init --start "bin/server --port {{port}}" """


def main(arguments: Sequence[str]) -> int:
    """Write the files, and say what was guessed from what. Raises ChatproofError."""
    parser = SuggestingParser(
        prog="chatproof init",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 written; 2 the files are there already, or nothing says how the server is started",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the project (default: this folder)")
    parser.add_argument("--start", metavar="COMMAND", help="the command that starts the server (default: guessed)")
    parser.add_argument("--ci", choices=("github",), help="write a workflow, too (default: none)")
    parser.add_argument("--force", action="store_true", help="replace files that are there already (default: off)")
    parser.add_argument("--dry-run", action="store_true", help="print the files and write nothing (default: off)")
    asked = parser.parse_args(arguments)
    folder: Path = asked.folder
    if not folder.is_dir():
        raise ChatproofError(f"init: {folder} is no folder")
    if asked.start:
        words_of(asked.start)
    project = ProjectFolder(folder)
    look = _looked(project, asked.start)
    start = Guess(asked.start, "--start") if asked.start else look.start
    if start is None:
        raise ChatproofError(
            f"init: {look.manifest} does not say how the server is started; tell it: "
            'chatproof init --start "COMMAND {port}"'
        )
    files = {folder / FILE: config_text(look, start)}
    if asked.ci:
        workflow, inside = _workflow_place(folder)
        files[workflow] = workflow_text(look, project, inside)
    write = sys.stdout.write
    write("".join(f"{line}\n" for line in _told(look, start, folder)))
    if asked.dry_run:
        write("".join(f"\n--- {path}\n{text}" for path, text in files.items()))
        return 0
    kept = _kept(project, files, asked.force)
    for path, text in files.items():
        if path not in kept:
            _write(path, text, asked.force)
            write(f"{path} written\n")
    write("".join(f"{line}\n" for line in _next(asked.ci, kept)))
    return 0


def _looked(project: ProjectFolder, start: str | None) -> ProjectLook:
    look = look_at(project, LOOKS)
    if look is not None:
        return look
    if start is None:
        known = "package.json, pyproject.toml, requirements.txt, go.mod or Dockerfile"
        raise ChatproofError(
            f"init: {project.folder.absolute()} has no {known}; go to the project's folder, or tell how the server is "
            'started: chatproof init --start "COMMAND {port}"'
        )
    found = look_at(project, {"other": _unknown})
    assert found is not None
    return found


def _unknown(project: ProjectFolder) -> ProjectLook:
    return ProjectLook("other", "the folder", {}, None, ["true  # install and build the server here"], [])


def _told(look: ProjectLook, start: Guess, folder: Path) -> Iterator[str]:
    kind = f"{look.framework}, {look.manifest}" if look.framework else look.manifest
    yield f"chatproof init: {folder.absolute()} ({kind})"
    port = look.port or look.reads_port
    rows = [("start", start), ("port", port), ("api", look.api), ("path", look.api_path)]
    rows += [("provider", one) for one in look.providers.values()]
    rows += [("profile", one) for one in look.profiles.values()]
    for name, guess in rows:
        if guess:
            yield f"  {name:<9} {guess.value}   ({guess.source})"
    notes = list(look.notes)
    if port is None and "{port}" not in start.value and look.kind != "docker":
        notes.append("no source reads PORT: the server must listen on the port in PORT, or take {port} in its command")
    if look.port:
        notes.append(
            f"{look.port.source} has a port of its own; let it read PORT, so that servers can run side by side"
        )
    if not look.providers:
        notes.append("no client of a provider was found: the server must read OPENAI_BASE_URL or its like")
    for note in notes:
        yield f"  note: {note}"


def _workflow_place(folder: Path) -> tuple[Path, str]:
    """Where GitHub looks for the workflow, and the project's folder in its repository: `server/`, or nothing."""
    path = folder.absolute()
    top = next((one for one in (path, *path.parents) if (one / ".git").exists()), path)
    return (folder / WORKFLOW, "") if top == path else (top / WORKFLOW, f"{path.relative_to(top).as_posix()}/")


def _kept(project: ProjectFolder, files: dict[Path, str], force: bool) -> list[Path]:
    """The files that are there already and stay. Raises ChatproofError: all of them are there."""
    if force:
        return []
    there = [path for path in files if path.exists()]
    if project.folder / FILE not in there and part_of_project(project.toml(PROJECT)):
        raise ChatproofError(f"init: {PROJECT} has [tool.chatproof] already; --force writes {FILE}, which then counts")
    if len(there) == len(files):
        names = " and ".join(str(path) for path in there)
        one = len(there) == 1
        raise ChatproofError(
            f"init: {names} {'is' if one else 'are'} there already; --force replaces {'it' if one else 'them'}"
        )
    return there


def _write(path: Path, text: str, force: bool) -> None:
    """Write a file, and never by chance over one that has come meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ChatproofError(f"init: cannot write {path}: {error.strerror}") from error


def _next(ci: str | None, kept: Sequence[Path]) -> Iterator[str]:
    for path in kept:
        yield f"{path} is there already and stays as it is; --force replaces it"
    yield "next: chatproof check"
    if ci:
        yield "next, on GitHub: set the variable CHATPROOF_SPEC (Settings, Secrets and variables, Actions, Variables)"
