"""Run one of the servers: `python -m tests.servers.run_server --port N --variant NAME`."""

from __future__ import annotations

import argparse
from functools import partial

from tests.servers.line_process import run
from tests.servers.parts import Config
from tests.servers.plain_server import ChatServer
from tests.servers.upstream import Upstream


def main() -> None:
    """Run it until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--variant", default="plain", help="a name of tests/servers/catalogue.py (default: plain)")
    options = parser.parse_args()
    run(partial(_server(options.variant)(Config.read()).serve, options.port))


def _server(name: str) -> type[Upstream]:
    if name == "plain":
        return ChatServer
    from tests.servers.catalogue import SERVERS  # all of them take half a second to import

    return SERVERS[name]


if __name__ == "__main__":
    main()
