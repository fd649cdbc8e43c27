"""LiteLLM's proxy tells a reply that was cut off as finished.

The provider says two words and ends its stream without a finish reason and without `[DONE]`. The client must be able to
see that the reply is not whole. Reported: https://github.com/BerriAI/litellm/issues/40260
"""

from plain import ASK_OPENAI, ask, run, two_words_then_the_end


def look(url: str) -> tuple[bool, str]:
    answer = ask(f"{url}/v1/chat/completions", ASK_OPENAI)
    reasons = [choice.get("finish_reason") for one in answer.events for choice in one.get("choices", ())]
    said = [reason for reason in reasons if reason]
    failed = any("error" in one for one in answer.events) or answer.broke
    told = f"finish_reason {said[-1]!r}" if said else "no finish_reason"
    marks = f"{'an' if failed else 'no'} error, {'[DONE]' if '[DONE]' in answer.data else 'no [DONE]'}"
    return bool(said) and not failed, f"the provider's stream broke off; the client got {told}, {marks}"


run(two_words_then_the_end, look)
