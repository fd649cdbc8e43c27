"""The commands about scripts: list them, check files."""

from __future__ import annotations

import argparse
import contextlib
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from chatproof.fake_providers.scripting.script import (
    BUILT_IN,
    Fail,
    Script,
    check_sequence,
    load_script,
    load_scripts,
)
from chatproof.fake_providers.scripting.toml_table import ScriptError
from chatproof.harness.common.suggestions import SuggestingParser

_WIDTH = 110


def list_scripts(arguments: Sequence[str]) -> int:
    """`scripts`: print every script's name and purpose. Exit code 0, or 2 with one line if a folder is invalid."""
    parser = SuggestingParser(
        prog="chatproof providers scripts", description="List the scripts that a request can name."
    )
    add_scripts_option(parser)
    options = parser.parse_args(arguments)
    try:
        scripts = load_scripts(BUILT_IN, *options.scripts)
    except ScriptError as problem:
        return fail(str(problem))
    margin = max(map(len, scripts)) + 2
    for name, script in scripts.items():
        lines = textwrap.wrap(script.about, _WIDTH - margin) or [""]
        sys.stdout.write(f"{name:<{margin}}{lines[0]}\n")
        sys.stdout.writelines(f"{'':<{margin}}{line}\n" for line in lines[1:])
    return 0


def check_files(arguments: Sequence[str]) -> int:
    """`check FILE…`: print one line for each file. Exit code 0 if all are valid, else 2."""
    parser = SuggestingParser(
        prog="chatproof providers check",
        description="Check script files: one line for each, exit code 2 if one is invalid.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    code = 0
    for path in parser.parse_args(arguments).files:
        try:
            script = load_script(path)
            check_sequence(script, {**_beside(path), script.name: script}, str(path))
        except ScriptError as problem:
            code = fail(str(problem))
        else:
            sys.stdout.write(f"{path}: good: {_summary(script)}\n")
    return code


def add_scripts_option(parser: argparse.ArgumentParser) -> None:
    """Add `--scripts DIR`: `options.scripts` has the folders."""
    help_ = "folder of more *.toml scripts; they replace built-in ones of the same name; repeatable (default: none)"
    parser.add_argument("--scripts", type=Path, action="append", default=[], metavar="DIR", help=help_)


def fail(line: str) -> int:
    """One line on stderr, and the exit code that goes with it."""
    sys.stderr.write(f"fake_providers: {line}\n")
    return 2


def _beside(path: Path) -> dict[str, Script]:
    """What a sequence in this file can name: built-in scripts, and valid ones in its folder."""
    known = load_scripts(BUILT_IN)
    for other in sorted(path.parent.glob("*.toml")):
        with contextlib.suppress(ScriptError):
            known[other.stem] = load_script(other)
    return known


def _summary(script: Script) -> str:
    if script.sequence:
        return f"a sequence: {', '.join(script.sequence)}"
    parts = [f"{len(script.tokens)} token{'' if len(script.tokens) == 1 else 's'}"]
    parts += [f"{len(script.thoughts)} of thinking"] if script.thoughts else []
    parts += ["refuses"] if script.refusal else []
    parts += [f"calls {call.name}" for call in script.calls]
    parts += [f"fault {step.fault}" for step in script.steps if isinstance(step, Fail)]
    if script.blocked:
        parts.append(f"the prompt is blocked: {script.blocked}")
    return ", ".join(parts)
