"""How the models of Gemini and of local servers split what a script says."""

from __future__ import annotations

from chatproof.fake_providers.dialects.openai.reply import Whole
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.scripting.script import Script


def tokens_of(script: Script) -> list[str]:
    """The tokens of a script's text. Scripts themselves are split as OpenAI's newest models do."""
    return play(script, Whole(), vocabulary="cl100k").said
