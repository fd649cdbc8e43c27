"""The one table of options, as both commands read it."""

from __future__ import annotations

import argparse
import json
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

LOCUST = {
    *("--chat-transport", "--chat-messages", "--chat-message", "--chat-jwt", "--chat-think", "--chat-provider-url"),
    *(
        "--chat-warm-up",
        "--chat-rate",
        "--chat-poisson",
        "--chat-shape",
        "--chat-seconds",
        "--chat-slo",
        "--chat-json",
        "--chat-html",
    ),
}


class LocustsParser(argparse.ArgumentParser):
    """Takes the one argument more that Locust's parser takes."""

    def add_argument(self, *names: str, include_in_web_ui: bool = True, **given: Any) -> argparse.Action:
        return super().add_argument(*names, **given)


def locusts_parser() -> LocustsParser:
    parser = LocustsParser(add_help=False)
    add_locust_options(parser)
    return parser


def test_the_locustfiles_options() -> None:
    parser = locusts_parser()
    assert {name for action in parser._actions for name in action.option_strings} == LOCUST
    assert "%%" not in parser.format_help()


def test_both_commands_read_the_same() -> None:
    """With the defaults, and with values."""
    ours = argparse.ArgumentParser()
    add_options(ours, OPTIONS)
    for words in ([], ["transport socketio", "message hi", "jwt a.b", "think 1..2", "slo ttft_p50<1s"]):
        split = [word.split(" ", 1) for word in words]
        plain = vars(ours.parse_args([part for name, value in split for part in (f"--{name}", value)]))
        given = locusts_parser().parse_args([part for name, value in split for part in (f"--chat-{name}", value)])
        assert read_behaviour(plain, None) == read_behaviour(locust_values(given), None)


def test_locust_can_send_what_it_read_to_its_workers() -> None:
    given = locusts_parser().parse_args(["--chat-json", "x", "--chat-html", "y", "--chat-rate", "2", "--chat-poisson"])
    json.dumps(vars(given))


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
