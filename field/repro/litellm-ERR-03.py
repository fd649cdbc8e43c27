"""LiteLLM's proxy tells a reply that was cut off as finished.

The provider says two words and ends its stream without a finish reason and without `[DONE]`. The client must be able to
see that the reply is not whole. Reported: https://github.com/BerriAI/litellm/issues/40260
"""

from plain import run
from plain_faults import openai_after_a_cut
from plain_provider import two_words_then_the_end

run(two_words_then_the_end, openai_after_a_cut("/v1/chat/completions"))
