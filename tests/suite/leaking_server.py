"""A chat server that tells its secrets, in error texts and in tokens: `python -m tests.suite.leaking_server --port N`.

What it tells is written to the file that LEAKS_TO names, so that a test can look for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

import jwt

from tests.servers.parts import Config, ProviderFailed
from tests.servers.plain_server import ChatServer


class Leaking(ChatServer):
    """Its error texts hold everything that they must not."""

    def secrets(self) -> dict[str, str]:
        token = jwt.encode({"sub": "alice"}, "k" * 32, algorithm="HS256")
        return {
            "key": os.environ["OPENAI_API_KEY"],
            "token": token,
            "part of the token": token.split(".")[1],
            "secret": os.environ["JWT_SECRET"],
            "cookie": "b3BlbiBzZXNhbWU",
            "terminal": "\x1b[31m",
        }

    def error_text(self, failure: ProviderFailed) -> str:
        told = self.secrets()
        Path(os.environ["LEAKS_TO"]).write_text("\n".join(told.values()), encoding="utf-8")
        return (
            f"{failure} key {told['key']}, Authorization: Bearer {told['token']}, {told['token']}, "
            f"secret {told['secret']}, Set-Cookie: session={told['cookie']}; Path=/ {told['terminal']}red"
        )


def main() -> None:
    """Run it until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(Leaking(Config.read()).serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
