"""LiteLLM's proxy waits for the provider after its client has gone, as long as no first chunk came.

The provider sends the headers of a stream and says nothing. The client closes its connection after 2 s. Reported:
https://github.com/BerriAI/litellm/issues/13774
"""

from plain import run
from plain_client import ASK_OPENAI, leave
from plain_provider import SERVER_LEFT, headers_then_silence


def look(url: str) -> tuple[bool, str]:
    leave(f"{url}/v1/chat/completions", ASK_OPENAI, after="never", longest=2)
    left = SERVER_LEFT.wait(6)
    state = "closed" if left else "open"
    return not left, f"the client left; 6 s later the connection to the silent provider was {state}"


run(headers_then_silence, look)
