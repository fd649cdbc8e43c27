"""npm ai with resumable-stream tells a reply that was cut off as finished.

The provider says two words and ends its stream without a finish reason and without `[DONE]`. The part `finish` then has
the reason `other`, which a client may read; there is no part `error`. For @ai-sdk/openai-compatible it was reported and
mended: https://github.com/vercel/ai/issues/19165
"""

from plain import run
from plain_faults import ai_sdk_after_a_cut
from plain_provider import two_words_then_the_end

run(two_words_then_the_end, ai_sdk_after_a_cut("/api/chat"))
