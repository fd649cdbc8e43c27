"""LangGraph behind ag-ui-langgraph waits for the provider after its client has gone.

The provider takes the request and says nothing. The client closes its connection after the run has begun.
"""

from plain import run
from plain_client import ASK_AG_UI, leave
from plain_provider import SERVER_LEFT, silence


def look(url: str) -> tuple[bool, str]:
    leave(f"{url}/agent", ASK_AG_UI, after="never", longest=2)
    left = SERVER_LEFT.wait(6)
    state = "closed" if left else "open"
    return not left, f"the client left; 6 s later the connection to the silent provider was {state}"


run(silence, look)
