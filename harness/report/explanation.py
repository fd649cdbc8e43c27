"""A row of the contract as a terminal shows it, for `chatproof explain`."""

from __future__ import annotations

import textwrap

from chatproof.harness.common.settings import DEFAULT_PROFILES
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS
from chatproof.harness.protocol.requirements import ALL_APIS, OWN_API, Profile, Requirement

WIDTH = 100  # characters of a line; a command may be longer
INDENT = 17


def explained(row: Requirement) -> str:
    """Everything that is known of a row, and the command that judges it alone."""
    provider = (
        "needs the fake providers behind the server (--start, or --provider-url)"
        if row.needs_provider
        else "needs no fake provider: a URL is enough"
    )
    facts = [
        ("holds for", row.told_apis),
        ("why", row.why),
        ("tested", row.how),
        ("not tested", row.excluded),
        ("typical fault", row.typical),
        ("provider", provider),
        ("without it", row.black_box),
    ]
    head = f"{row.id}  {row.level}  profile {' + '.join(row.profiles)}"
    lines = [head, *textwrap.wrap(row.text, WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
    for name, text in facts:
        if text:
            first = f"  {name + ':':<{INDENT - 2}}"
            lines += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * INDENT)
    if not row.excluded:
        lines.append(f"  {'run it alone:':<{INDENT - 2}}{alone(row)}")
    return "\n".join(lines)


def alone(row: Requirement) -> str:
    """The command that judges one row; words in capitals are for the user to replace."""
    server = '--start "COMMAND {port}"' if row.needs_provider else "--base-url URL"
    if Profile.AUTH in row.profiles and not row.needs_provider:
        server += " --jwt-secret SECRET"
    if Profile.RESUME in row.profiles:
        server += " --api FILE"  # its table has the endpoints
    more = [one.value for one in row.profiles if one not in DEFAULT_PROFILES]
    profile = f" --profile {','.join(more)}" if more else ""
    other = next((name for name in row.apis if name in KNOWN_APIS), "" if ALL_APIS in row.apis else "NAME")
    api = "" if other in ("", OWN_API) else f" --api {other}"
    return f"chatproof check --only {row.id}{api}{profile} {server}"
