"""All scripts: built in, from the user's folders as they are now, and registered at run time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from chatproof.fake_providers.scripting.script import (
    BUILT_IN,
    Script,
    check_sequence,
    load_script,
    load_scripts,
)
from chatproof.fake_providers.scripting.toml_table import ScriptError

_SHARE: Final = 20
"""Checking the folders may take one part in this many of the time: a check of 50 µs is repeated after 1 ms."""

_Stamp = tuple[int, int, int, int]


class ScriptLibrary:
    """Scripts by name. Where a name stands twice, registered scripts win, then the last folder's, then built-in ones.

    Changed files are read again on use. When a file becomes invalid, its old script stays, `problems` lists it, and
    one line goes to stderr. ScriptError if a file is invalid at the start.
    """

    def __init__(self, folders: Sequence[Path] = (), base: Mapping[str, Script] | None = None) -> None:
        self._base = load_scripts(BUILT_IN) if base is None else dict(base)
        self._folders = tuple(folders)
        self._registered: dict[str, Script] = {}
        self._files: dict[Path, Script] = {}
        self._stamps: dict[Path, _Stamp] = {}
        self._troubles: dict[Path, str] = {}
        self._broken_sequences: dict[str, str] = {}
        self._look_again = 0.0
        for folder in self._folders:
            if not folder.is_dir():
                raise ScriptError(f"{folder}: not a folder of scripts")
        self._reload(self._seen())
        for trouble in self.problems:
            raise ScriptError(trouble)

    @property
    def problems(self) -> list[str]:
        """One line for each script whose file cannot be used now."""
        return [*self._troubles.values(), *self._broken_sequences.values()]

    def current(self) -> Mapping[str, Script]:
        """All scripts, sorted by name, as the folders are now."""
        if self._folders and time.perf_counter() >= self._look_again:
            self._look()
        return self._scripts

    def register(self, *scripts: Script, instead_of: Iterable[str] = ()) -> None:
        """Add or replace scripts, and forget those of the names `instead_of`.

        ScriptError if one is a sequence that names unknown scripts.
        """
        new = {script.name: script for script in scripts}
        known = {**self.current(), **new}
        for script in scripts:
            check_sequence(script, known, script.name)
        for name in instead_of:
            self._registered.pop(name, None)
        self._registered |= new
        self._merge()

    def _look(self) -> None:
        began = time.perf_counter()
        seen = self._seen()
        if seen != self._stamps:
            before = set(self.problems)
            self._reload(seen)
            for problem in self.problems:
                if problem not in before:
                    sys.stderr.write(f"fake_providers: {problem}; the last valid version stays in use\n")
        ended = time.perf_counter()
        self._look_again = ended + (ended - began) * _SHARE

    def _seen(self) -> dict[Path, _Stamp]:
        found: dict[Path, _Stamp] = {}
        for folder in self._folders:
            for path in sorted(folder.glob("*.toml")):
                try:
                    status = path.stat()
                except OSError:
                    continue  # gone again, or a link to nowhere
                found[path] = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        return found

    def _reload(self, seen: dict[Path, _Stamp]) -> None:
        for path in self._stamps.keys() - seen.keys():
            self._files.pop(path, None)
            self._troubles.pop(path, None)
        for path, stamp in seen.items():
            if self._stamps.get(path) == stamp:
                continue
            try:
                self._files[path] = load_script(path)
                self._troubles.pop(path, None)
            except ScriptError as problem:
                self._troubles[path] = str(problem)
        self._stamps = seen
        self._merge()

    def _merge(self) -> None:
        merged = dict(self._base)
        for path in self._stamps:
            if path in self._files:
                merged[path.stem] = self._files[path]
        merged.update(self._registered)
        self._broken_sequences = {}
        for name, script in list(merged.items()):
            try:
                check_sequence(script, merged, name)
            except ScriptError as problem:
                self._broken_sequences[name] = str(problem)
        # Not in the loop above: dropping one broken sequence must not make another one look broken.
        self._scripts = {name: merged[name] for name in sorted(merged) if name not in self._broken_sequences}
