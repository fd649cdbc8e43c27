"""A good server in Express and socket.io, on Node."""

from __future__ import annotations

from pathlib import Path

from tests.clients.node import needs
from tests.foreign.whole_suite import assert_every_row_is_kept

SERVER = Path(__file__).parent / "express"


@needs("express", SERVER)
def test_it_keeps_every_row(tmp_path: Path) -> None:
    assert_every_row_is_kept(tmp_path, f"node {SERVER / 'server.js'}")
