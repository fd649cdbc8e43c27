"""`chatproof api`: propose the table of an own api from captured replies."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.suggestions import SuggestingParser
from chatproof.harness.protocol.apis.captured_reply import CapturedReply, NoStream
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS
from chatproof.harness.protocol.apis.proposed_table import Asked, proposed_table
from chatproof.harness.protocol.apis.table_keys import TableError
from chatproof.harness.protocol.apis.table_proposal import propose

LARGEST: Final = 16 * 1024 * 1024  # bytes of a sample
HELP: Final = f"""\
Describe an api of your own, so that the suite can judge servers that speak it (docs/apis.md).
  curl -iN http://127.0.0.1:5000/v2/talk --json '{{"question": "Tell me a joke."}}' > sample.txt
  chatproof api --sample sample.txt --path /v2/talk --body '{{"question": "{{message}}"}}' > my-api.toml
  chatproof check --api my-api.toml --start "COMMAND {{port}}"

The apis that are built in need no table: {", ".join(KNOWN_APIS)}."""


def main(arguments: Sequence[str]) -> int:
    """Print a table to standard output. Raises ChatproofError."""
    parser = SuggestingParser(
        prog="chatproof api",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 printed; 2 nothing can be proposed from the samples",
    )
    parser.add_argument(
        "--sample",
        action="append",
        required=True,
        metavar="FILE",
        help="a reply as curl -iN (or -N, or -vN) printed it; - for standard input. Repeatable: a reply that failed "
        "shows the error",
    )
    parser.add_argument("--name", help="how reports shall call the api (default: the sample's file name)")
    parser.add_argument("--path", help="where the server is asked, which no sample shows")
    parser.add_argument(
        "--body", metavar="JSON", help="what it is asked, with {message} where the user's message stands"
    )
    asked = parser.parse_args(arguments)
    samples = [_sample(name) for name in asked.sample]
    if len({one.framing for one in samples}) > 1:
        raise ChatproofError("--sample: one is of server-sent events and one of lines of JSON; an api has one framing")
    proposal = propose([one.events for one in samples])
    if proposal.reading is None:
        raise ChatproofError(f"--sample: no text grows in {_and(asked.sample)}; capture a reply of several words")
    given = Asked(asked.name or _name(asked.sample[0]), asked.path, None if asked.body is None else _body(asked.body))
    try:
        table = proposed_table(proposal, samples, given)
    except TableError as problem:
        raise ChatproofError(str(problem)) from problem
    except ValueError as problem:
        raise ChatproofError(f"--body: {problem}") from problem
    sys.stdout.buffer.write(table.encode())
    sys.stdout.buffer.flush()
    return 0


def _sample(name: str) -> CapturedReply:
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ChatproofError(f"--sample: cannot read {name}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise ChatproofError(f"--sample: {name} has more than {LARGEST >> 20} MB; one short reply is enough")
    try:
        return CapturedReply.parse(data)
    except NoStream as problem:
        raise ChatproofError(f"--sample: {name}: {problem}") from problem


def _body(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChatproofError(f"--body: it is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise ChatproofError(f"--body: it is no JSON object: {text}")
    return body


def _name(sample: str) -> str:
    """A name for the api, from the name of a file."""
    name = re.sub(r"[^a-z0-9._-]+", "-", Path(sample).stem.lower()).strip("-._")
    return name if name and name not in KNOWN_APIS else "my-api"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
