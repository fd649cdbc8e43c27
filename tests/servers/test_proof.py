"""Every row has a broken server, and the page that says so is the one that the servers give."""

from __future__ import annotations

import re

import pytest

from chatproof.harness.protocol.requirements import contract
from tests.servers import proof
from tests.servers.broken import FAULTS

FIELD = proof.PAGE.with_name("field-bugs.md")


def test_the_page_is_up_to_date() -> None:
    assert proof.PAGE.read_text(encoding="utf-8") == proof.page(), f"run: {proof.COMMAND}"


@pytest.mark.parametrize("row", [row.id for row in contract() if not row.excluded])
def test_a_row_has_a_broken_server(row: str) -> None:
    assert proof.of_row(row), f"{row} has no broken server: nothing shows that it can fail"


def test_public_bugs_are_caught_by_the_servers_that_repeat_them() -> None:
    """Each line of `docs/field-bugs.md` has a public link, and servers of which each is caught by a row named there."""
    lines = [line for line in FIELD.read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    assert len(lines) > 100
    for line in lines:
        bug, _, rows, servers = (cell.strip() for cell in line.strip("|").split(" | "))
        ids = rows.split(", ")
        assert "](https://github.com/" in bug, line
        for name in re.findall(r"`([^`]+)`", servers):
            assert FAULTS[name].must & set(ids), line
        assert all(row in contract() for row in ids), line
