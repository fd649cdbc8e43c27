"""LiteLLM's proxy tells an error that comes as a JSON document with status 200 as a finished reply without text.

So some gateways answer that know too late that they fail. The client must be able to see that there is no reply.
"""

from plain import run
from plain_faults import IN_A_DOCUMENT, openai_after_a_cut
from plain_provider import an_error_with_status_200

run(an_error_with_status_200, openai_after_a_cut("/v1/chat/completions", IN_A_DOCUMENT))
