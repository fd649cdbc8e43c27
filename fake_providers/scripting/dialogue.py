"""What a request says besides its last user message, as scripts look at it."""

from __future__ import annotations

from collections.abc import Collection


class Dialogue:
    """What a script's [match] can ask of a request, and whether a tool has answered.

    Each dialect has a subclass that reads its own messages, and reads them only when a script asks. This one is a
    request in which nobody speaks, such as one for embeddings.
    """

    @property
    def system(self) -> str:
        """The instructions to the model, one line each; empty if there are none."""
        return ""

    @property
    def tools(self) -> Collection[str]:
        """The names of the tools that the model may call."""
        return ()

    @property
    def turn(self) -> int:
        """How many messages of the user there are; messages that only bring a tool's result do not count."""
        return 0

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the tools whose results end the request; "" for a name that the request does not tell.

        Empty if it ends otherwise. Instructions behind the results change nothing.
        """
        return ()


NOBODY = Dialogue()
