"""The files with the tables of apis that are not built in, as `--api` takes them."""

from __future__ import annotations

from pathlib import Path

NAMES = ("made-up", "lines", "naming", "words", "resumable", "threads")
MADE_UP, LINES, NAMING, WORDS, RESUMABLE, THREADS = (str(Path(__file__).with_name(f"{name}.toml")) for name in NAMES)
