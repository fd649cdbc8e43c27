"""CopilotKit's runtime sends its stream without `X-Accel-Buffering: no`.

nginx holds a reply back in its buffers, unless this header says no
(https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering). AG-UI's specification does not ask for it.
"""

from plain import run
from plain_client import ASK_AG_UI
from plain_faults import without_the_header
from plain_provider import a_reply

run(a_reply, without_the_header("/api/copilotkit/agent/default/run", ASK_AG_UI))
