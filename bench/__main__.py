"""`python -m bench`: measurements beside peers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import fakes, load, reference, reference_results, results
from bench.peers import default_folder

_FAKES = (
    "fakes",
    "how fast the fake providers stream, and how true their pace is",
    "Streams a completion of 100 tokens from our fake providers, from npm @copilotkit/aimock, from"
    " PyPI llmock and from a bare uvloop protocol, on one core each, and prints tables in Markdown."
    " Takes about three minutes on a machine that has nothing else to do.",
)
_REFERENCE = (
    "reference",
    "how fast the reference server streams, what it adds to a token's way, and what memory it takes",
    "Streams replies of the fake providers through the reference server, through a Starlette proxy and through a"
    " threaded Flask proxy of the same API, on one core each, and prints tables in Markdown."
    " Takes about five minutes on a machine that has nothing else to do.",
)
_LOAD = (
    "load",
    "how true load-test clients tell the time",
    "Plays a known script over SSE and Socket.IO to our load-test clients and to Locust's own, server and client on"
    " one core each, and prints how wrong each client's times are. Takes about five minutes.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables as Markdown. Exit code 0, 1 where a server failed while it was measured, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measurements, side by side with peers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about, description in (_FAKES, _REFERENCE):
        command = commands.add_parser(name, help=about, description=description)
        command.add_argument("--quick", action="store_true", help="one short round, to see that it works")
        command.add_argument(
            "--peers",
            type=Path,
            default=default_folder(),
            metavar="DIR",
            help="where the peers are installed, once (default: %(default)s)",
        )
    command = commands.add_parser(_LOAD[0], help=_LOAD[1], description=_LOAD[2])
    command.add_argument("--quick", action="store_true", help="few streams, one round, to see that it works")
    options = parser.parse_args(arguments)
    try:
        if options.command == "load":
            return load.run(options.quick)
        peers = options.peers.absolute()
        if options.command == "fakes":
            return fakes.run(results.QUICK if options.quick else results.FULL, peers)
        return reference.run(reference_results.QUICK if options.quick else reference_results.FULL, peers)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
