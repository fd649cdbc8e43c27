"""A chat server with some thirty faults at once: `python -m tests.browser.dreadful_server --port 8000`."""

from __future__ import annotations

import argparse
import asyncio

from tests.servers.broken import auth, cors, errors, limits, requests, sessions, sockets, stream, tokens
from tests.servers.parts import Config


class DreadfulServer(
    tokens.LosesAToken,
    tokens.PartialBehind,
    tokens.CountsFromZero,
    tokens.TokensOffByOne,
    tokens.DurationInMilliseconds,
    tokens.TwoTerminalEvents,
    stream.LeaksDoneMark,
    stream.NanAsSpeed,
    stream.PlainText,
    stream.ChunksNotEnded,
    tokens.EpochAsTimestamp,
    stream.NamesItsEvents,
    stream.Cacheable,
    stream.NoSpace,
    errors.EarlyEndIsTheEnd,
    errors.ShowsKey,
    errors.ChatIsText,
    errors.ErrorAsAnswer,
    errors.CompletionAfterError,
    limits.NoLimit,
    cors.StarWithCredentials,
    auth.IgnoresTokens,
    requests.RefusesInPlainText,
    requests.CrashesOnOddValues,
    requests.CrashesOnBadJson,
    requests.EscapesHtml,
    requests.GetAsks,
    requests.DropsLargeBodies,
    requests.AsksBlank,
    sessions.DeletesNothing,
    sessions.SharesDefault,
    sessions.NoMemory,
    sessions.CrashesOnOddPath,
    sessions.FindsEverything,
    sessions.LastWriterWins,
    sockets.SessionRoom,
    sockets.IgnoresPayloads,
    sockets.Interleaves,
):
    """Each fault is one of those that `tests.servers.broken` has alone."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(DreadfulServer(Config.read()).serve(parser.parse_args().port))
