"""npm ai with resumable-stream tells an error in a JSON document with status 200 as a finished reply without text.

So some gateways answer that know too late that they fail. The part `finish` then has the reason `other`, which a client
may read; there is no part `error`.
"""

from plain import run
from plain_faults import IN_A_DOCUMENT, ai_sdk_after_a_cut
from plain_provider import an_error_with_status_200

run(an_error_with_status_200, ai_sdk_after_a_cut("/api/chat", IN_A_DOCUMENT))
