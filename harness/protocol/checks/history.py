"""SES-07, SES-17 and SES-18: what a provider's request holds of the conversation before it.

A history is a list of roles and texts, oldest first; the model's role is `assistant`, whatever the dialect calls it. A
server that sends all of it as one prompt has no assistant messages: then texts alone are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.findings import Violation

USER, ASSISTANT = "user", "assistant"
SHOWN = 400  # characters of a history in a message

History = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange before the request. `case` stands in the user's message. `reply`: all that the model says in it,
    or would have said. `is_whole`: the client got a whole reply, so it must be remembered."""

    case: str
    reply: str
    is_whole: bool = True

    @property
    def message(self) -> str:
        """What reports call the user's message."""
        return f"the message of case {self.case}" if self.is_whole else "the message that was not answered"


def history_faults(
    history: History, before: Sequence[Exchange], in_order: bool = True, may_fill_in: bool = False
) -> Iterator[Violation]:
    """What is wrong with the history that a request carries.

    Args:
        before: the exchanges of the session so far.
        in_order: they came one after the other, so each assistant message stands behind its user's message.
        may_fill_in: the model said nothing in some of them. A library may put words of its own there, as LiteLLM does
            for providers that refuse empty messages.
    """
    talk = _of_session(history, before)
    yield from empty_messages(talk)
    for exchange in before:
        yield from doubled(talk, exchange.case, exchange.message)
    if not may_fill_in:
        yield from _unsaid(talk, before)
    if in_order:
        yield from orphans(talk)
        yield from _misplaced(talk, before)
    yield from lost(history, before)


def empty_messages(history: History) -> Iterator[Violation]:
    """The first message without a text."""
    for role, text in history:
        if not text.strip() and role in (USER, ASSISTANT):
            seen = f"an empty {role} message in {shown(history, SHOWN)}"
            yield Violation(seen, "no empty message: providers refuse every request that holds one")
            return


def doubled(history: History, case: str, message: str) -> Iterator[Violation]:
    """A user's message that stands there more than once. `message`: what to call it."""
    times = sum(text.count(case) for role, text in history if role == USER)
    if times > 1:
        yield Violation(f"{message} stands {counted(times, 'time')} in {shown(history, SHOWN)}", "at most once")


def told_twice(history: History, messages: Sequence[str]) -> Iterator[Violation]:
    """The first of the user's messages that goes upstream more than once. Only messages that are it alone count: a
    server may repeat a question with what it found about it."""
    said = [words(text) for role, text in history if role == USER]
    for message in messages:
        if (times := said.count(words(message))) > 1:
            seen = f"the message {shown(message)} stands {counted(times, 'time')} in {shown(history, SHOWN)}"
            yield Violation(seen, "each message once")
            return


def told_as_the_users(history: History, replies: Sequence[str]) -> Iterator[Violation]:
    """The first of the model's replies that stands alone in a message of the user."""
    said = [words(text) for role, text in history if role == USER]
    for reply in replies:
        if words(reply) in said:
            seen = f"the provider gets what the model said as the user's: {shown(reply)} in {shown(history, SHOWN)}"
            yield Violation(seen, "the model's replies in messages of the model, or in a text with the rest")
            return


def orphans(history: History) -> Iterator[Violation]:
    """The first assistant message that follows another one. Other roles do not count."""
    last = ""
    for role, text in history:
        if role == ASSISTANT and last == ASSISTANT:
            seen = f"no user message stands before the assistant message {shown(text)} in {shown(history, SHOWN)}"
            yield Violation(seen, "every assistant message directly after a user message")
            return
        last = role if role in (USER, ASSISTANT) else last


def lost(history: History, before: Sequence[Exchange]) -> Iterator[Violation]:
    """The first whole exchange that the history does not hold, in any form."""
    everything = "\n".join(text for _, text in history)
    flat = words(everything)
    for exchange in before:
        what = ""
        if exchange.is_whole and exchange.case not in everything:
            what = exchange.message
        elif exchange.is_whole and words(exchange.reply) not in flat:
            what = f"the reply {shown(exchange.reply)}"
        if what:
            yield Violation(f"{what} is missing in {shown(history, SHOWN)}", "all that was said in whole exchanges")
            return


def _of_session(history: History, before: Sequence[Exchange]) -> History:
    """The history from the session's first message on: a greeting or examples may stand before it."""
    for place, (role, text) in enumerate(history):
        if role == USER and any(exchange.case in text for exchange in before):
            return history[place:]
    return history


def _unsaid(history: History, before: Sequence[Exchange]) -> Iterator[Violation]:
    """The first assistant message that is no reply of the model. A reply that broke off may be kept as far as it came;
    the beginning of a whole one is lost text."""
    replies = [words(exchange.reply) for exchange in before]
    for role, text in history:
        said = words(text)
        if role != ASSISTANT or any(reply.startswith(said) for reply in replies):
            continue
        what = "an assistant message that the model did not say"
        if any(_joins(said, first, second) for first in replies for second in replies):
            what = "two replies in one assistant message"
        yield Violation(f"{what}, {shown(text)}, in {shown(history, SHOWN)}", "what the model said, and nothing else")
        return


def _misplaced(history: History, before: Sequence[Exchange]) -> Iterator[Violation]:
    """The first message that stands before an older one."""
    text = "\n".join(text for _, text in history)
    kept = [exchange for exchange in before if exchange.case in text]
    for older, exchange in pairwise(kept):
        if text.find(exchange.case) < text.find(older.case):
            seen = f"{exchange.message} stands before {older.message} in {shown(history, SHOWN)}"
            yield Violation(seen, "the oldest message first")
            return


def _joins(said: str, first: str, second: str) -> bool:
    """Whether a text is a beginning of one reply and then the whole other one."""
    return second != "" and said.endswith(second) and first.startswith(said[: len(said) - len(second)])
