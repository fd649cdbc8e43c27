"""A good server in FastAPI and python-socketio, on uvicorn."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.foreign.whole_suite import assert_every_row_is_kept

SERVER = Path(__file__).parent / "fastapi_server.py"


def test_it_keeps_every_row(tmp_path: Path) -> None:
    assert_every_row_is_kept(tmp_path, f"{sys.executable} {SERVER}")
