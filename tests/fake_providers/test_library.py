"""The user's scripts, as their folder is now."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.scripting.script import ScriptError, parse_script
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.server.fake_server import FakeServer


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(f'about = "x"\n[[steps]]\ntext = "{text}"\n')


def said(library: ScriptLibrary, name: str, wanted: str | None) -> str | None:
    """What the script says, once it is what is wanted: a library looks at most one twentieth of the time."""
    deadline = time.monotonic() + 2
    while True:
        script = library.current().get(name)
        found = script.text if script is not None else None
        if found == wanted or time.monotonic() > deadline:
            return found


def test_files_that_come_change_and_go_are_seen(tmp_path: Path) -> None:
    write(tmp_path, "mine", "one")
    library = ScriptLibrary([tmp_path])
    assert library.current()["mine"].text == "one"
    assert "hello" in library.current()
    write(tmp_path, "mine", "two, longer")
    assert said(library, "mine", "two, longer") == "two, longer"
    write(tmp_path, "other", "new")
    assert said(library, "other", "new") == "new"
    (tmp_path / "mine.toml").unlink()
    assert said(library, "mine", None) is None


def test_what_does_not_change_stays_the_same_script(tmp_path: Path) -> None:
    write(tmp_path, "mine", "one")
    library = ScriptLibrary([tmp_path])
    before = library.current()["mine"]
    write(tmp_path, "other", "new")
    assert said(library, "other", "new") == "new"
    assert library.current()["mine"] is before


def test_a_broken_file_keeps_the_old_script_and_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "mine", "good")
    library = ScriptLibrary([tmp_path])
    (tmp_path / "mine.toml").write_text("about = ")
    (tmp_path / "fresh.toml").write_text('about = "x"\n[[steps]]\ntexxt = "x"\n')
    assert said(library, "fresh", None) is None
    deadline = time.monotonic() + 2
    while len(library.problems) < 2 and time.monotonic() < deadline:
        library.current()
    assert library.current()["mine"].text == "good"
    assert len(library.problems) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"fake_providers: {tmp_path}/fresh.toml, step 1: a step is exactly one of")
    assert lines[1].startswith(f"fake_providers: {tmp_path}/mine.toml: not TOML")
    write(tmp_path, "mine", "good again")
    assert said(library, "mine", "good again") == "good again"
    assert len(library.problems) == 1


def test_a_later_folder_and_what_is_registered_win(tmp_path: Path) -> None:
    write(tmp_path / "one", "mine", "first")
    write(tmp_path / "two", "mine", "second")
    write(tmp_path / "one", "hello", "own hello")
    library = ScriptLibrary([tmp_path / "one", tmp_path / "two"])
    assert (library.current()["mine"].text, library.current()["hello"].text) == ("second", "own hello")
    (tmp_path / "two" / "mine.toml").unlink()
    assert said(library, "mine", "first") == "first"
    library.register(parse_script("mine", 'about = "x"\n[[steps]]\ntext = "registered"'))
    write(tmp_path / "one", "mine", "changed")
    assert said(library, "mine", "registered") == "registered"


def test_a_sequence_whose_script_went_is_out_of_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "part", "one")
    (tmp_path / "whole.toml").write_text('about = "x"\nsequence = ["part"]\n')
    library = ScriptLibrary([tmp_path])
    assert "whole" in library.current()
    (tmp_path / "part.toml").unlink()
    assert said(library, "part", None) is None
    assert "whole" not in library.current()
    assert "whole: sequence names 'part'" in capsys.readouterr().err


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("about = ")
    with pytest.raises(ScriptError, match=r"mine\.toml: not TOML"):
        ScriptLibrary([tmp_path])
    with pytest.raises(ScriptError, match="not a folder"):
        ScriptLibrary([tmp_path / "nowhere"])


def test_a_look_takes_little_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        write(tmp_path, f"s-{number}", "x")
    library = ScriptLibrary([tmp_path])
    looks = 0
    real = Path.glob

    def counted(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return real(*arguments)

    monkeypatch.setattr(Path, "glob", counted)
    began = time.process_time()
    for _ in range(20_000):
        library.current()
    assert looks < 2_000
    assert time.process_time() - began < 5


async def test_the_server_says_what_is_wrong_and_answers_as_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "mine", "as before")
    server = FakeServer(ScriptLibrary([tmp_path]))
    await server.start()
    try:
        (tmp_path / "mine.toml").write_text("about = 3\n")
        os.utime(tmp_path / "mine.toml", (1, 1))
        body = {"model": "m", "messages": [{"role": "user", "content": "scenario mine"}]}
        async with httpx.AsyncClient(base_url=server.url, headers={"authorization": "Bearer k"}) as http:
            async with asyncio.timeout(5):
                while not (health := (await http.get("/_fake/health")).json())["problems"]:
                    pass
            answer = (await http.post("/v1/chat/completions", json=body)).json()
    finally:
        await server.stop()
    assert health["problems"] == [f"{tmp_path}/mine.toml: about must be a non-empty text, not 3"]
    assert answer["choices"][0]["message"]["content"] == "as before"
    assert capsys.readouterr().err.count("\n") == 1
