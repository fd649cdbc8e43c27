"""The files with the tables of the made-up apis, as `--api` takes them."""

from __future__ import annotations

from pathlib import Path

NAMES = ("made-up", "lines", "naming", "words")
MADE_UP, LINES, NAMING, WORDS = (str(Path(__file__).with_name(f"{name}.toml")) for name in NAMES)
