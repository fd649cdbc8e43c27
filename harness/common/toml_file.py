"""A TOML file that the user names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError

PROJECT: Final = "pyproject.toml"


def read_toml(path: Path, option: str) -> dict[str, Any]:
    """The document in a file.

    Args:
        option: the option that named it, such as `--baseline`.

    Raises:
        ChatproofError: it cannot be read, or is no TOML; one line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ChatproofError(f"{option}: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChatproofError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ChatproofError(f"{path}: its values are nested too deeply") from error


def part_of_project(document: dict[str, Any]) -> dict[str, Any]:
    """What `[tool.chatproof]` of a pyproject.toml holds; empty where there is no such table."""
    tool = document.get("tool")
    part = tool.get("chatproof", {}) if isinstance(tool, dict) else {}
    return part if isinstance(part, dict) else {}
