"""Ordinary messages of many kinds, and what became of one on its way to the provider.

Texts of several kinds go in one message, so that a server which keeps them is asked few times. Where one is refused or
changed, each kind is sent alone: so the refusal of one kind hides no loss of another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.provider import upstream_texts
from chatproof.harness.protocol.apis.chat_stream.chat_stream import body_of
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.text_loss import loss
from chatproof.harness.protocol.transcript import Transcript

Ask = Callable[[str], Awaitable[Transcript]]

SHORT = ("0", "5", "👍")  # what a user says to a menu: whole messages of one character
LENGTHS = (501, 999, 1_900)  # characters: servers cut at 500, 1,000 and the like; with what names it 2,000 at most
KINDS: tuple[tuple[str, ...], ...] = (
    ('"double quotes"', "'single quotes'", "`backticks`", "it's O'Neill's", "“smart” – quotes…"),
    ("(round)", "[square]", "{curly}", "<angle>", "{{name}}", "a < b and c > d"),
    (
        "$HOME",
        "ls; pwd",
        "this & that",
        "cat | grep x",
        "C:\\new\\temp",
        "%s %d 100 %",
        "$$ $& $1",
        "#tag @user ~ ^ * ? ! = +",
    ),
    ("first line\nsecond line", "a blank\n\nline", "before\tafter a tab", "    four  blanks   and three"),
    ("café naïve Ærø Straße ¿qué?", "Ελληνικά", "русский", "你好世界", "こんにちは", "안녕하세요", "مرحبا", "שלום"),
    ("नमस्ते! आप कैसे हैं? आज का मौसम बहुत अच्छा है।",),
    ("🙂", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "e\u0301 decomposed"),
    ("See https://example.org/a/b.html?q=1&lang=en#top, please.",),
    ("What is 3 * 4? And is 12 > 11?", 'if (a && b) { return "x"; }', "SELECT name FROM users WHERE id = 1;"),
    (
        "/help or /start?",
        "**bold** _it_ ~~no~~",
        "# title",
        "- item",
        "> quote",
        "AT&amp;T",
        "a%20b",
        "007 and 1,000.50",
        "NASA: sooo good!!!",
    ),
)


def prose(length: int) -> str:
    """So many characters of numbered words, so that a message can say where they were cut."""
    words = " ".join(f"word {number} of many" for number in range(length // 12 + 1))
    return f"{words[: length - 1]}."


def named_twice(case: Case, text: str) -> tuple[str, str]:
    """A text that names its script and a case at the beginning too, and that case: where a server cuts the end off, in
    which every message names them, the provider's journal still finds it."""
    front = case.lane.new_case()
    return f"{case.lane.message('Please read this.', 'hello', front)}\n{text}", front


async def judge_texts(case: Case, requirement_id: str, ask: Ask) -> None:
    """Judge that the server passes ordinary texts on as they are. Without the fakes: that it refuses none of them."""
    for kinds in KINDS:
        await _judge(case, requirement_id, ask, kinds)
    for length in LENGTHS:
        text, front = named_twice(case, prose(length))
        await _judge(case, requirement_id, ask, (text,), front)


async def judge_short(case: Case, requirement_id: str) -> None:
    """Judge that messages of one character are answered. They name no case, so the provider's journal says nothing."""
    for text in SHORT:
        reply = await case.post(body_of(text, case.lane.new_session()))
        if is_refusal(reply):  # a real provider may fail at any time
            again = await case.post(body_of(text, case.lane.new_session()))
            if not is_refusal(again) or is_refusal(await case.ask()):
                why = f"{shown(text)}: {reply.outcome()}, and then: {again.outcome()}, or so does an ordinary message"
                case.cannot_judge(requirement_id, why)
                return
        seen = f"the message {shown(text)}: {reply.outcome()}"
        case.holds(requirement_id, not is_refusal(reply), seen, "an answer", reply)


async def _judge(case: Case, requirement_id: str, ask: Ask, kinds: tuple[str, ...], front: str = "") -> bool:
    """Send texts of several kinds in one message. Where that is not kept, send each alone, to say which are not."""
    text = " ".join(kinds)
    reply = await ask(text)
    seen = reply.outcome() if is_refusal(reply) else ""
    if not seen and case.lane.provider:
        seen = await trouble(case, text, reply, front)
    if seen and len(kinds) > 1:
        kept = [await _judge(case, requirement_id, ask, (kind,)) for kind in kinds]
        if not all(kept):
            return False
    elif seen and is_refusal(reply):  # a real provider may fail at any time
        again, plain = await ask(text), await ask("Please say hello.")
        if not is_refusal(again) or is_refusal(plain):
            case.cannot_judge(requirement_id, f"{shown(text)}: {seen}, and then: {again.outcome()}")
            return False
    told = f"{shown(text, 120)}: {seen}"
    return case.holds(requirement_id, not seen, told, "an answer, and the same text at the provider", reply)


def is_refusal(reply: Transcript) -> bool:
    """Whether the server refused a message: by its status, or over a socket with an error in place of a reply."""
    has_error = reply.status is None and not reply.tokens and bool(reply.of(Kind.ERROR))
    return is_http_error(reply) or has_error


async def trouble(case: Case, text: str, reply: Transcript, front: str = "") -> str:
    """What the provider got in place of a text; nothing where it got the text, letter for letter.

    `front`: the case at the text's beginning, if it names one there.
    """
    sent = case.lane.message(text, "hello", reply.case).strip()
    entries = await case.provider.entries(reply)  # the reply is over, so nothing comes later
    if not entries and front:
        entries = await case.provider.fakes.entries(front)
    got = [one for entry in entries for one in upstream_texts(entry.body)]
    if any(sent in one for one in got):
        return ""
    if not (near := [one for one in got if reply.case in one or (front and front in one)]):
        return f"the provider got no request with this message: {reply.outcome()}"
    nearest = max(near, key=len)
    return f"the provider got {shown(nearest, 80)}: {loss(nearest, sent)}"
