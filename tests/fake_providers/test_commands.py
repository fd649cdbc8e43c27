"""`python -m fake_providers scripts` and `check`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatproof.fake_providers.__main__ import main
from chatproof.fake_providers.scripting.script import BUILT_IN, Script


def test_scripts_are_listed_with_what_they_are_for(
    scripts: dict[str, Script], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(f'about = "{"Mine, and long. " * 12}"\n[[steps]]\ntext = "x"\n')
    assert main(["scripts", "--scripts", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = {line.split()[0] for line in lines if not line.startswith(" ")}
    assert named == {*scripts, "mine"}
    assert max(map(len, lines)) <= 110
    assert any(line.startswith("hello ") and scripts["hello"].about in line for line in lines)


def test_a_bad_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scripts", "--scripts", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"fake_providers: {tmp_path}/nowhere: not a folder of scripts\n"


def test_every_built_in_script_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *map(str, sorted(BUILT_IN.glob("*.toml")))]) == 0
    out = capsys.readouterr().out
    assert f"{BUILT_IN}/paced.toml: good: 20 tokens\n" in out
    assert f"{BUILT_IN}/cut-mid.toml: good: 3 tokens, fault cut\n" in out


def test_check_names_the_file_the_key_and_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "slow": 'about = "x"\n[timing]\ninter_token_ms = -5\n[[steps]]\ntext = "x"\n',
        "sequel": 'about = "x"\nsequence = ["part", "hello"]\n',
        "part": 'about = "x"\nblocked = "SAFETY"\n[[steps]]\ntool_call = "f"\n',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    assert main(["check", *(str(tmp_path / f"{name}.toml") for name in files), str(tmp_path / "none.toml")]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{tmp_path}/sequel.toml: good: a sequence: part, hello",
        f"{tmp_path}/part.toml: good: 0 tokens, calls f, the prompt is blocked: SAFETY",
    ]
    assert err.splitlines() == [
        f"fake_providers: {tmp_path}/slow.toml, [timing]: inter_token_ms must be a number from 0 to 600000, not -5",
        f"fake_providers: {tmp_path}/none.toml: cannot be read: No such file or directory",
    ]


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f'"{sys.executable}" -m fake_providers scripts | head -1'
    done = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "api.openai.com", "--out", "x"], "is not a URL"),
        (["--target", "http://h", "--out", "x", "--name", "My Name"], "lower-case letters"),
        (["--target", "http://h", "--out", "/proc/nowhere"], "cannot record"),
    ],
)
def test_bad_arguments_of_record_are_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["record", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words in err
    assert not list(tmp_path.iterdir())
