"""The configuration file: `chatproof.toml`, or `[tool.chatproof]` in `pyproject.toml`. Options override it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import KEYS, ValueKind
from chatproof.harness.common.toml_file import PROJECT, read_toml
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS

FILE = "chatproof.toml"


def configured(options: Mapping[str, Any], folders: Iterable[Path]) -> dict[str, Any]:
    """Merge the options with the configuration file; an option that was given wins.

    Args:
        folders: where to look for a file if `--config` names none; the first folder that has one counts.

    Raises:
        ChatproofError: the file cannot be read, or a key or value in it is wrong; one line.
    """
    chosen = options.get("config")
    path = Path(chosen) if chosen else _found(folders)
    values = read(path, is_needed=bool(chosen)) if path else {}
    if options.get("base_url") and not options.get("start"):
        values.pop("start", None)  # the command line names a server that runs already
    return values | {name: one for name, one in options.items() if one is not None and one is not False and one != []}


def read(path: Path, is_needed: bool = True) -> dict[str, Any]:
    """Read a file: its values by the names of the options' fields. Relative paths count from the file's folder. A table
    `[api]` becomes an ApiChoice, `api_table`.

    Raises:
        ChatproofError: as `configured`.
    """
    try:
        document = read_toml(path, "--config")
    except ChatproofError:
        if path.name == PROJECT and not is_needed:
            return {}  # pytest reports a broken pyproject.toml itself
        raise
    if path.name == PROJECT:
        document = _table(document.get("tool", {}), path).get("chatproof", {})
    return dict(_value(path, key, value) for key, value in _table(document, path).items())


def _found(folders: Iterable[Path]) -> Path | None:
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
        if (folder / PROJECT).is_file() and _has_table(folder / PROJECT):
            return folder / PROJECT
    return None


def _has_table(path: Path) -> bool:
    try:
        tool = read_toml(path, "--config").get("tool")
    except ChatproofError:
        return False
    return isinstance(tool, dict) and "chatproof" in tool


def _table(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ChatproofError(f"{path}: [tool.chatproof] is not a table")
    return value


def _value(path: Path, key: str, value: Any) -> tuple[str, Any]:
    name = key.replace("_", "-")
    if name == "api" and isinstance(value, dict):
        return "api_table", ApiChoice.in_table(value, path)
    option = KEYS.get(name) or KEYS.get(f"{name}s")  # profile = … and profiles = …, as on the command line
    if option is None:
        near = get_close_matches(name, KEYS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(KEYS)}"
        raise ChatproofError(f"{path}: unknown key {key!r}; {hint}")
    if option.kind is ValueKind.TEXTS and isinstance(value, str):
        value = [value]
    if not _is(option.kind, value):
        raise ChatproofError(f"{path}: {key} is not {option.kind}: {value!r}")
    is_path = option.kind is ValueKind.PATH or (name == "api" and value.endswith(".toml") and value not in KNOWN_APIS)
    return option.field, str(path.absolute().parent / value) if is_path else value


def _is(kind: ValueKind, value: Any) -> bool:
    match kind:
        case ValueKind.SWITCH:
            return isinstance(value, bool)
        case ValueKind.TEXTS:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case ValueKind.NUMBER | ValueKind.COUNT:
            return isinstance(value, int if kind is ValueKind.COUNT else int | float) and not isinstance(value, bool)
        case ValueKind.TEXT | ValueKind.PATH:
            return isinstance(value, str) and value != ""
