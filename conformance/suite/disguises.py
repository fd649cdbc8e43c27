"""What a refused client may change in its requests to be taken for another one, and whether a server falls for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import TRIES, Client, exhausted, limit_of, refused
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.together import together
from chatproof.harness.client.connection import addresses_beside_loopback
from chatproof.harness.protocol.apis.api import Headers
from chatproof.harness.protocol.apis.chat_stream.chat_stream import STREAM_PATH
from chatproof.harness.protocol.transcript import Transcript

PROOF: Final = 5  # requests at once that must all pass: a bucket that refills may let one or two of them through
How = dict[str, Any]  # keywords of `Client.send`


@dataclass(frozen=True, slots=True)
class Disguise:
    """One way to look like another client.

    `what`: its name for messages. `make`: gives the keywords of `Client.send`, new ones each time. `appended`: of a
    header in which each proxy adds the address that it sees, its value for a forged address and the one that a proxy
    has added. `names_address`: it is a header that proxies set.
    """

    what: str
    make: Callable[[], How]
    appended: Callable[[str, str], Headers] | None = None
    names_address: bool = False


def forged_address() -> str:
    """An IPv4 address of somebody else, another one each time."""
    return f"81.2.{random.randrange(256)}.{random.randrange(1, 255)}"


def _named(header: str, form: str = "{}") -> Disguise:
    def make() -> How:
        return {"headers": ((header, form.format(forged_address())),)}

    return Disguise(header, make, names_address=True)


def _listed(header: str, form: str = "{}") -> Disguise:
    def appended(forged: str, seen: str) -> Headers:
        return ((header, f"{form.format(forged)}, {form.format(seen)}"),)

    return Disguise(header, _named(header, form).make, appended, names_address=True)


def _word() -> str:
    return f"{random.getrandbits(64):016x}"


def _local() -> How:
    """Some servers let pass whoever seems to be on their machine."""
    return {"headers": (("X-Forwarded-For", "127.0.0.1"),)}


FORWARDED_FOR: Final = (
    _listed("X-Forwarded-For"),
    Disguise("X-Forwarded-For: 127.0.0.1", _local, lambda *_: _local()["headers"], names_address=True),
)
OTHERS: Final = (
    _listed("Forwarded", "for={}"),
    _named("X-Real-IP"),
    _named("CF-Connecting-IP"),
    _named("True-Client-IP"),
    *map(
        _named,
        (
            "X-Client-IP",
            "Client-IP",
            "X-Cluster-Client-IP",
            "X-Original-Forwarded-For",
            "X-Forwarded",
            "Forwarded-For",
            "X-Envoy-External-Address",
            "X-Azure-ClientIP",
            "X-AppEngine-User-IP",
            "Fastly-Client-IP",
            "Fly-Client-IP",
            "DO-Connecting-IP",
            "X-Remote-IP",
            "X-Originating-IP",
        ),
    ),
    Disguise("another User-Agent", lambda: {"headers": (("User-Agent", f"Mozilla/5.0 ({_word()})"),)}),
    Disguise(
        "a Bearer token that is not valid", lambda: {"headers": (("Authorization", f"Bearer {_word()}.e30.{_word()}"),)}
    ),
    Disguise("a cookie", lambda: {"headers": (("Cookie", f"session={_word()}; sid={_word()}"),)}),
    Disguise("no session_id", lambda: {"session": None}),
    Disguise("a slash at the end of the path", lambda: {"path": f"{STREAM_PATH}/"}),
    Disguise("a capital letter in the path", lambda: {"path": STREAM_PATH.replace("stream", "Stream")}),
    Disguise("two slashes in the path", lambda: {"path": STREAM_PATH.replace("/stream", "//stream")}),
    Disguise("a query string", lambda: {"path": f"{STREAM_PATH}?v={_word()}"}),
    Disguise("an encoded letter in the path", lambda: {"path": STREAM_PATH.replace("/stream", "/%73tream")}),
)


async def bought(case: Case, disguises: list[Disguise]) -> dict[str, str]:
    """What was seen of each disguise that gets a refused client served, by its name.

    Raises:
        NotTestable: nothing is refused, or the limit's window ended each time while disguises were tried.
    """
    for _ in range(TRIES):
        client, _ = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
        seen = {one.what: text for one in disguises if (text := await _seen_of(client, one))}
        if refused(await _proof(client)):
            break
    else:
        raise NotTestable("the limit's window ended while a refused client was tried with other headers")
    return {one.what: seen[one.what] for one in disguises if one.what in seen and not await _is_proxys(client, one)}


async def _seen_of(client: Client, disguise: Disguise) -> str:
    """What shows that a disguise buys a budget of its own, or nothing."""
    (first,) = await client.send(1, **disguise.make())
    if first.status != 200 or not first.messages:  # some servers answer unknown paths with a page
        return ""
    with_it, without = await _proof(client, disguise.make()), await _proof(client)
    passed = sum(one.status == 200 for one in with_it)
    if passed < len(with_it) or not refused(without):
        return ""
    return (
        f"a client past its limit was served with {disguise.what} ({passed} of {len(with_it)} requests at once; "
        f"without it {len(refused(without))} of {len(without)} were refused)"
    )


async def _proof(client: Client, how: How | None = None) -> list[Transcript]:
    count = min(PROOF, limit_of(client.case, client.path))
    return await client.send(count, at_once=count, **(how or {}))


async def _is_proxys(client: Client, disguise: Disguise) -> bool:
    """Whether the server believes a header only from a proxy on this machine, which a suite on this machine looks like.

    Two signs: of a header in which proxies add an address, it counts the one that its own proxy adds; or it does not
    believe the header where the request comes from an address that is not loopback.
    """
    case = client.case
    if not disguise.names_address:
        return False
    if disguise.appended:
        seen, count = forged_address(), 2 * limit_of(case, STREAM_PATH) + 1
        chains = [disguise.appended(forged_address(), seen) for _ in range(count)]
        answers = await together(*(client.send(1, headers=chain) for chain in chains))
        if any(map(refused, answers)):
            return True
    if (outside := next(addresses_beside_loopback(case.lane.target), None)) is None:
        return False
    stranger = Client(case, STREAM_PATH, outside)
    limit = limit_of(case, STREAM_PATH)
    await stranger.send(limit)
    return bool(refused(await stranger.send(limit + 1, at_once=limit + 1))) and not await _seen_of(stranger, disguise)
