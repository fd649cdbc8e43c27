"""docs/first-verdict.md shows what the walks do, and what they saw."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.first_verdict import MENDED, OVER, PAGE, SERVERS, TOP, VERDICT, WALKS, WARM, WIDEST, shown
from chatproof.harness.command import main

BLOCK = re.compile(r"<!-- walk: ([\w -]+) -->\n(.*?)<!-- end of walk -->", re.DOTALL)
STEPS = {f"{walk} {label}": step for walk, steps in WALKS.items() for label, step in steps.items()}


def blocks() -> dict[str, str]:
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def test_the_page_shows_every_step_with_what_was_seen() -> None:
    found = blocks()
    assert found.keys() == {*STEPS, "seconds"}
    for name, step in STEPS.items():
        assert found[name].startswith(f"```console\n$ {step.command}\n"), name
    assert "chatproof: FAIL" in found["node check"]
    assert "chatproof: PASS" in found["node gate"]


def test_the_page_keeps_the_limits_or_says_why_not() -> None:
    """Where other work kept the machine busy, the page says so: measure again on one that runs nothing else."""
    said = blocks()["seconds"]
    rows = re.findall(r"^\| (install|check) \|(.*)\| (\d+) s \|$", said, re.MULTILINE)
    assert [(name, float(limit)) for name, _, limit in rows] == [("install", WARM), ("check", VERDICT)]
    for name, cells, limit in rows:
        node = float(re.findall(r"([\d.]+) s", cells)[0])
        assert node <= float(limit) or "kept the machine busy" in said, name
        assert (node > float(limit)) == (OVER in cells.split("|")[0]), name


def test_what_the_page_mends_is_in_the_server_and_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for file, old, new in MENDED:
        assert (SERVERS / "node" / file).read_text(encoding="utf-8").count(old) == 1
        assert new.replace(old, "").strip() in page


def test_outputs_are_cut() -> None:
    text = shown("\n".join(["x" * 300, *map(str, range(100))]))
    assert len(text.splitlines()) < TOP + 10
    assert max(map(len, text.splitlines())) <= WIDEST
    assert "more lines)" in text


@pytest.mark.parametrize("name", WALKS)
def test_init_understands_the_servers_of_the_walks(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (SERVERS / name).iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "provider  openai" in said
    assert "note:" not in said


def test_the_lock_names_versions_and_no_host() -> None:
    lock = json.loads((SERVERS / "node" / "package-lock.json").read_text(encoding="utf-8"))
    packages = [one for name, one in lock["packages"].items() if name]
    assert all(one["version"] and "resolved" not in one for one in packages)
