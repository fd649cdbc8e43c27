"""Clients of a chat API with one fault each, and a careful one: small, over httpx, as people write them."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx

RETRIED = (408, 409, 429, 500, 502, 503, 504)
PATH = "/v1/chat/completions"


def said(*texts: str) -> list[dict[str, str]]:
    """Turns of user and assistant, in turn."""
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


class Careless:
    """Asks once, and repeats what fails `retries` times, as its subclasses say."""

    retries = 2

    def __init__(self, url: str, timeout: float | None = 5.0) -> None:
        headers = {"authorization": "Bearer sk-test"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)
        self.open: list[Any] = []

    def close(self) -> None:
        self.http.close()

    def ask(self, *texts: str) -> str:
        for left in reversed(range(self.retries + 1)):
            with suppress(httpx.HTTPError):
                answer = self.send(list(texts))
                if answer.status_code < 400:
                    return str(answer.json()["choices"][0]["message"]["content"])
                if not left or not self.is_worth_it(answer):
                    break
                self.pause(answer, self.retries - left)
        return ""

    def send(self, texts: list[str]) -> httpx.Response:
        return self.http.post(PATH, json={"model": "gpt-4o", "messages": said(*texts)})

    def is_worth_it(self, answer: httpx.Response) -> bool:
        return answer.status_code in RETRIED and answer.headers.get("x-should-retry") != "false"

    def pause(self, answer: httpx.Response, number: int) -> None:
        wait = answer.headers.get("retry-after")
        time.sleep(float(wait) if wait else 0.1 * 2**number)

    def stream(self, *texts: str) -> Generator[str, None, None]:
        """The pieces of a streamed answer, until the connection's end, whichever it is."""
        body = {"model": "gpt-4o", "stream": True, "messages": said(*texts)}
        with suppress(httpx.HTTPError), self.http.stream("POST", PATH, json=body) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    choice = json.loads(line[6:]).get("choices", [{}])[0]
                    yield choice.get("delta", {}).get("content") or ""


class Careful(Careless):
    """It has none of the faults."""


class Deaf(Careless):
    """Its delay is its own, whatever the answer says."""

    def pause(self, answer: httpx.Response, number: int) -> None:
        time.sleep(0.06 * 2**number)


class Stubborn(Careless):
    """It looks at the status alone."""

    def is_worth_it(self, answer: httpx.Response) -> bool:
        return answer.status_code in RETRIED


class Hasty(Careless):
    """A loop without a pause."""

    def pause(self, answer: httpx.Response, number: int) -> None: ...


class Endless(Careless):
    """It hardly gives up."""

    retries = 7

    def pause(self, answer: httpx.Response, number: int) -> None:
        time.sleep(0.06)


class Blind(Careless):
    """It repeats every error."""

    def is_worth_it(self, answer: httpx.Response) -> bool:
        return True


class Crowd(Careless):
    """After a failure, it asks four times at once, and takes the first answer."""

    def ask(self, *texts: str) -> str:
        if (answer := self.send(list(texts))).status_code >= 400:
            with ThreadPoolExecutor(4) as pool:
                answer = next(iter(pool.map(lambda _: self.send(list(texts)), range(4))))
        return str(answer.json()["choices"][0]["message"]["content"])


class Gullible(Careless):
    """What came is the answer."""

    def talk(self, first: str, second: str) -> str:
        answer = "".join(self.stream(first))
        return "".join(self.stream(first, answer, second))


class Hoarder(Careless):
    """It reads as far as it likes, and closes nothing."""

    def first_piece(self, text: str) -> str:
        pieces = self.stream(text)
        self.open.append(pieces)  # as a framework holds on to it
        return next(piece for piece in pieces if piece)


class Patient(Careless):
    """It waits as long as its own limit lets it."""

    def wait(self, text: str) -> str:
        return "".join(self.stream(text))
