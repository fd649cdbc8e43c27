"""A worker process of `chatproof load run --processes N`. It reads its settings from standard input."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from argparse import Namespace

from locust.env import Environment

from chatproof.loadtests.behaviour import Behaviour
from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.locust_run import LocustRun
from chatproof.loadtests.shapes import OpenLoopUser
from chatproof.loadtests.users import CLOSED

OPEN = "open"
"""In place of a transport's name: the user of an open loop."""


def user_class(users: str) -> type:
    """The one user class of a run, under the same name in master and workers."""
    return type("Users", (OpenLoopUser if users == OPEN else CLOSED[users],), {})


def main() -> int:
    """Work until the master says `quit` or has ended."""
    told = json.loads(sys.stdin.read())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the master says when to stop
    logging.getLogger("locust").setLevel(logging.ERROR)
    environment = Environment(user_classes=[user_class(told["users"])])
    runner = environment.create_worker_runner("127.0.0.1", int(told["port"]))
    environment.parsed_options = Namespace()  # else Locust would read our command line
    LocustRun(environment, Behaviour.from_json(told["options"]))
    parent = os.getppid()
    with LoadGenerator.quiet():
        while not runner.greenlet.join(timeout=0.5) and os.getppid() == parent:
            pass  # the group is empty once the master said `quit`
    return 0


if __name__ == "__main__":
    sys.exit(main())
