"""The files with the tables of the made-up apis, as `--api` takes them."""

from __future__ import annotations

from pathlib import Path

MADE_UP, LINES, NAMING = (str(Path(__file__).with_name(f"{name}.toml")) for name in ("made-up", "lines", "naming"))
