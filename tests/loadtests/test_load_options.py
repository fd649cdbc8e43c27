"""The one table of options, as both commands read it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from chatproof.loadtests.load_command import main
from chatproof.loadtests.load_options import (
    OPTIONS,
    add_locust_options,
    add_options,
    locust_values,
    read_behaviour,
    seconds,
)


class LocustsParser(argparse.ArgumentParser):
    """Takes the one argument more that Locust's parser takes."""

    def add_argument(self, *names: str, include_in_web_ui: bool = True, **given: Any) -> argparse.Action:
        return super().add_argument(*names, **given)


def locusts_parser() -> LocustsParser:
    parser = LocustsParser(add_help=False)
    add_locust_options(parser)
    return parser


def test_the_locustfile_has_every_option_that_locust_has_not_by_the_same_name() -> None:
    """Only what starts a server, of ours or the one under test, or searches, is no business of Locust's."""
    ours = {name for action in locusts_parser()._actions for name in action.option_strings}
    locusts = {"host", "users", "processes", "csv", "config"}
    not_there = {*locusts, "start", "scripts", "from", "to", "each", "runs", "stop-when-saturated"}
    not_there.add("prometheus-port")  # Locust's web UI serves them at /chatproof/metrics
    assert {f"--{name}" for name in OPTIONS} - ours == {f"--{name}" for name in not_there}
    assert "%%" not in locusts_parser().format_help()


def test_both_commands_read_the_same() -> None:
    """With the defaults, and with values."""
    ours = argparse.ArgumentParser()
    add_options(ours, OPTIONS)
    for words in ([], ["transport socketio", "message hi", "jwt a.b", "think 1..2", "slo ttft_p50<1s", "silence 5"]):
        split = [part for word in words for part in f"--{word}".split(" ", 1)]
        plain, given = vars(ours.parse_args(split)), locust_values(locusts_parser().parse_args(split))
        assert read_behaviour(plain, None) == read_behaviour(given, None)
    with_api = ["--api", "ai-sdk", "--api-path", "/chat"]
    assert read_behaviour(locust_values(locusts_parser().parse_args(with_api)), None).api.path == "/chat"


def test_locust_can_send_what_it_read_to_its_workers() -> None:
    words = ["--report-json", "x", "--report-html", "y", "--rate", "2", "--poisson", "--duration", "5s", "--api"]
    json.dumps(vars(locusts_parser().parse_args(words)))


def test_the_path_of_the_locustfile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["locustfile"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.is_absolute()
    assert "ChatUser" in path.read_text()


def test_times() -> None:
    assert [seconds(text) for text in ("20", "90s", "5m", "2h")] == [20, 90, 300, 7200]
    with pytest.raises(argparse.ArgumentTypeError, match="not a duration"):
        seconds("soon")


@pytest.mark.parametrize("command", ["run", "search", "calibrate", "compare"])
def test_help_names_the_default_of_each_option_that_has_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, option in OPTIONS.items():
        if f"--{name} " in said and option.default is not None and command != "calibrate":
            assert f"{' '.join(option.arguments()['help'].replace('%%', '%').split())}" in said
