"""One server with a fault of each class that revision 2 brought: none may hide behind another."""

from __future__ import annotations

from tests.servers.broken import (
    budgets,
    client_data,
    history,
    later,
    odd_requests,
    request_forms,
    revealing,
    several,
    socket_origins,
    socket_parity,
    socket_users,
    texts,
    time,
    timestamps,
    upgrades,
)
from tests.servers.broken.fault import FAULTS, fault

# by class: servers whose faults live together, since each changes another part
TOGETHER = {
    "upgrade": upgrades.RefusesTheMove,
    "later exchanges": later.TokensAddUp,
    "accepted means answered": budgets.ChatThirdEmpty,
    "parity": socket_parity.EscapesHtml,
    "several at once": several.TenAtATime,
    "long in time": time.ShortMemory,
    "large": texts.CrashesOnLargeMessages,
    "what is kept after trouble": history.EmptyAfterStop,
    "ordinary clients": request_forms.CharsetRefused,
    "limits that headers buy": budgets.RealIp,
    "provider streams as they are": texts.SaysNothingOfNothing,
    "upstream hygiene": client_data.UndefinedKey,
    "errors": revealing.TellsUrl,
    "never a 5xx": odd_requests.NulCrash,
    "true time": timestamps.Example,
    "sockets and users": socket_users.TakesTheirWord,
    "CORS and sockets": socket_origins.ForAll,
    "ids": odd_requests.IdCut,
    "slow leaks": several.KeepsFailedSockets,
    "a lock across a reply": several.GetWaits,
    "silence and proxies": time.SilentWhileItWaits,
    "text that filters eat": texts.DropsBlankTokens,
}
_ROWS = {row for server in TOGETHER.values() for one in FAULTS.values() if one.server is server for row in one.must}

Everything = type("Everything", tuple(TOGETHER.values()), {"__doc__": "A fault of each class of revision 2."})
fault("everything", " ".join(_ROWS), " ".join(_ROWS))(Everything)
