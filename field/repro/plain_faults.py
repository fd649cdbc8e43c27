"""What several scripts look at: each gives a function that asks the server, and tells whether the fault stands."""

from __future__ import annotations

from plain import Look
from plain_client import ASK_AG_UI, ASK_AI_SDK, ASK_OPENAI, ask, longest_silence
from plain_provider import SECRET

CUT = "the provider's stream broke off"
IN_A_DOCUMENT = "the provider answered 200 with a JSON error"


def openai_after_a_cut(path: str, what: str = CUT) -> Look:
    """Ask for a chat completion whose provider fails: the fault is a finish reason without an error. `what`: how it
    fails."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_OPENAI)
        reasons = [choice.get("finish_reason") for one in answer.events for choice in one.get("choices", ())]
        said = [reason for reason in reasons if reason]
        failed = any("error" in one for one in answer.events) or answer.broke
        told = f"finish_reason {said[-1]!r}" if said else "no finish_reason"
        marks = f"{'an' if failed else 'no'} error, {'[DONE]' if '[DONE]' in answer.data else 'no [DONE]'}"
        return bool(said) and not failed, f"{what}; the client got {told}, {marks}"

    return look


def ai_sdk_after_a_cut(path: str, what: str = CUT) -> Look:
    """Ask an AI SDK server whose provider fails: the fault is a `finish` without an error. `what`: how it fails."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_AI_SDK)
        finish = next((one for one in answer.events if one.get("type") == "finish"), None)
        failed = {"error", "abort"} & set(answer.kinds) or answer.broke
        told = f"finish with finishReason {finish.get('finishReason')!r}" if finish else "no part finish"
        line = f"{what}; the client got {told}, {'an' if failed else 'no'} error"
        return bool(finish) and not failed, line

    return look


def ai_sdk_without_an_answer(path: str) -> Look:
    """Ask an AI SDK server whose provider never answers: the fault is that nobody is told within 20 s."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_AI_SDK, silence=20)
        ended = {"error", "abort"} & set(answer.kinds) or answer.status >= 400
        seen = f"an error ({answer.status})" if ended else f"no error: {answer.broke or answer.kinds}"
        return not ended, f"the provider never answered, timeout.chunkMs is 10 s; the client got {seen}"

    return look


def ag_ui_after_a_cut(path: str, what: str = CUT) -> Look:
    """Ask an AG-UI server whose provider fails: the fault is a `RUN_FINISHED` without a `RUN_ERROR`."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_AG_UI)
        end = answer.events[-1] if answer.events else {}
        told = f"{end.get('type')} with outcome {(end.get('outcome') or {}).get('type', 'none')!r}"
        told += f", finishReason {end['finishReason']!r}" if "finishReason" in end else ""
        failed = "RUN_ERROR" in answer.kinds or answer.broke
        line = f"{what}; the run ended with {told}"
        return end.get("type") == "RUN_FINISHED" and not failed, line

    return look


def without_the_header(path: str, body: object) -> Look:
    """Ask for a reply: the fault is that `X-Accel-Buffering: no` is missing."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", body)
        if answer.status != 200:
            raise ValueError(f"no reply: {answer.status} {answer.body[:80]}")
        seen = answer.headers.get("x-accel-buffering")
        return seen != "no", f"the headers of a reply: X-Accel-Buffering: {seen or 'missing'}"

    return look


def silent_with_its_provider(path: str, body: object) -> Look:
    """Ask for a reply whose provider says nothing: the fault is that nothing comes for 20 s."""

    def look(url: str) -> tuple[bool, str]:
        longest = longest_silence(f"{url}{path}", body, 25)
        return longest > 20, f"the provider was silent for 25 s; nothing came for {longest:.0f} s"

    return look


def tells_what_the_provider_said(path: str, body: object) -> Look:
    """Ask for a reply whose provider fails: the fault is that the client is told the provider's own words."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", body)
        told = next((line for line in (*answer.data, answer.body) if SECRET in line), "")
        return bool(told), f"the provider answered 500 with {SECRET!r}; the client got {(told or answer.body)[:120]}"

    return look
