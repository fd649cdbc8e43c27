"""pydantic-ai's Vercel AI adapter tells a reply that was cut off as finished.

The provider says two words and ends its stream without a finish reason and without `[DONE]`. Meant so: the maintainers
answered that some complete replies have no finish reason either, and that a capability can be written that raises.
Reported: https://github.com/pydantic/pydantic-ai/issues/6610
"""

from plain import run
from plain_faults import ai_sdk_after_a_cut
from plain_provider import two_words_then_the_end

run(two_words_then_the_end, ai_sdk_after_a_cut("/api/chat"))
