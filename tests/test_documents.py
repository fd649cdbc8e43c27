"""The documents: their links lead somewhere, and the files that they show are read as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatproof.fake_providers.planning import providers_page
from chatproof.fake_providers.scripting.script import parse_script
from chatproof.harness.common import configuration
from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.baseline import Baseline

ROOT = Path(__file__).parent.parent
PAGES = ("*.md", "docs/*.md", "reference_server/*.md", "bench/*.md")


def pages() -> list[Path]:
    """All documents of the repository."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def text_of(page: str) -> str:
    """A document's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def shown(page: str, language: str, first: str, number: int = 0) -> str:
    """The code block of a document that begins with `first`; of several the one with this number, from 0."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.M | re.S)
    return [block for block in blocks if block.startswith(first)][number]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    files = [link.partition("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert [file for file in files if not (page.parent / file).exists()] == []


def test_the_configuration_that_is_shown_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "chatproof.toml"
    path.write_text(shown("docs/judging.md", "toml", "start ="), encoding="utf-8")
    assert configuration.read(path)["profile"] == ["socketio", "limits", "auth"]


def test_the_baseline_that_is_shown_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "known-failures.toml"
    path.write_text(shown("docs/judging.md", "toml", "[known."), encoding="utf-8")
    assert [known.id for known in Baseline.read(path, contract()).known] == ["ERR-06", "SSE-06"]


def test_the_endpoints_that_are_shown_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "my-api.toml"
    path.write_text(shown("docs/resume.md", "toml", "[api]"), encoding="utf-8")
    api = ApiChoice.in_file(path).api
    assert (api.name, api.resume and api.resume.method, api.stop and api.stop.method) == ("ai-sdk", "GET", "POST")


def test_the_script_that_is_shown_is_accepted() -> None:
    assert parse_script("shown", shown("docs/fake-providers.md", "toml", "about =")).about.startswith("Three tokens")


def test_the_page_of_providers_is_what_the_fakes_answer() -> None:
    command = "run python -m chatproof.fake_providers.planning.providers_page"
    assert providers_page.PAGE.read_text(encoding="utf-8") == providers_page.page(), command


def test_the_readme_counts_the_rows() -> None:
    assert f"\n{sum(not row.excluded for row in contract())} requirements" in text_of("README.md")


def test_every_path_in_contributing_exists() -> None:
    named = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:toml|txt|md))`", text_of("CONTRIBUTING.md")))
    assert len(named) > 30
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
