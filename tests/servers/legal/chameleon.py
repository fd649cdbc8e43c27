"""Servers that mix legal traits by seed. What passes alone must pass together: a check that knows one oddity may
stumble over two.

CI judges the first seeds. More by hand: `CHATPROOF_SEEDS=20 pytest tests/servers -k chameleon`.
"""

from __future__ import annotations

import os
import random
from typing import Final

from tests.servers.legal import answer_traits as answers
from tests.servers.legal import stream_traits as stream
from tests.servers.legal.client_data import NoUnknownFields
from tests.servers.legal.doors import NameSpaces, StarForOthers
from tests.servers.legal.entrances import ChatInOnePiece, OriginsByHeader, TokenInPayload, TokenInQuery
from tests.servers.legal.history import KeepsWhatCame, NewAskWins, OneReplyASession, RefusesMeanwhile
from tests.servers.legal.later import FirstIsSpecial
from tests.servers.legal.request_freedoms import TrustsItsProxy, TrustsNextDoor
from tests.servers.legal.sockets import MendsSurrogates, SessionsInLine
from tests.servers.legal.texts import ShortMessages
from tests.servers.legal.upgrades import SlowUpgrade, StaysWithPolling
from tests.servers.legal.variant import legal
from tests.servers.plain_server import ChatServer

PLAIN: Final = ChatServer

ROWS: Final = "REQ SSE TOK END ERR SIO SES LIM CHAT AUTH CORS INT"  # no trait takes time or memory

# Of each axis a server has one trait. The order is that of the calls: an event is spelled before it is packed.
AXES: Final[tuple[tuple[type[ChatServer], ...], ...]] = (
    (PLAIN, stream.SpacedAscii, stream.KeysInAnyOrder, stream.FurtherFields),
    (PLAIN, stream.CrLfLines, stream.NumberedEvents, stream.NamedMessages),
    (PLAIN, stream.Padding),
    (PLAIN, stream.Heartbeats, stream.SmallPieces, stream.ErrorsByStatus),
    (PLAIN, stream.Zipped, stream.Brotli),
    (PLAIN, stream.UntilTheEnd),
    (PLAIN, stream.CarefulHeaders, stream.FewHeaders, stream.OwnHeaders),
    (PLAIN, answers.Unprocessable, answers.Problems, answers.Closing),
    (PLAIN, answers.FromTheFirstToken, answers.NotRounded),
    (PLAIN, answers.UtcDates, answers.OffsetDates, answers.NanoDates),
    (PLAIN, answers.NarrowIds, MendsSurrogates),
    (PLAIN, NoUnknownFields, ShortMessages),
    (PLAIN, KeepsWhatCame),
    (PLAIN, OneReplyASession, SessionsInLine, RefusesMeanwhile),
    (PLAIN, answers.SystemMessage, answers.ContentsAsParts, answers.WholeInOne),
    (PLAIN, answers.FixedWindow, answers.TokenBucket),
    (PLAIN, TrustsItsProxy, TrustsNextDoor),
    (PLAIN, answers.Queued, NewAskWins),
    (PLAIN, answers.Acknowledging, answers.TalkativeSockets),
    (PLAIN, StaysWithPolling, SlowUpgrade),
    (PLAIN, TokenInQuery, TokenInPayload),
    (PLAIN, answers.Halved, FirstIsSpecial),
    (PLAIN, ChatInOnePiece),
    (PLAIN, NameSpaces, StarForOthers, OriginsByHeader),
)
SEEDS: Final = int(os.environ.get("CHATPROOF_SEEDS", "2"))


def chameleon(seed: int) -> type[ChatServer]:
    """The server of a seed. Seeds that follow each other take the traits of an axis in turn: four have all of them."""
    chosen = []
    for number, axis in enumerate(AXES):
        turn, place = divmod(seed, len(axis))
        chosen.append(random.Random(f"{number} {turn}").sample(axis, len(axis))[place])
    if TokenInPayload in chosen:  # a field that the other one does not know
        chosen = [trait for trait in chosen if trait is not NoUnknownFields]
    mixed = [trait for trait in chosen if trait is not PLAIN]
    name = f"Chameleon{seed}"
    return type(name, (*mixed, PLAIN), {"__doc__": ", ".join(trait.__name__ for trait in mixed) + "."})


for seed in range(SEEDS):
    legal(f"chameleon-{seed}", only=ROWS)(chameleon(seed))
