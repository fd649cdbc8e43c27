"""The rows of the contract in lines, for `--list`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chatproof.harness.common.configuration import configured
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.requirements import contract as whole_contract


def listing(options: Mapping[str, Any], folders: Iterable[Path]) -> list[str]:
    """A line for each selected row: id, level, profiles, P where it needs the provider, text.

    Raises:
        ChatproofError: an option or the configuration makes no sense.
    """
    contract, known = whole_contract(), configured(options, folders)
    settings = Settings.read(known, contract)
    rows = [contract[name] for name in settings.selected(contract)]
    if known.get("profile"):
        rows = [row for row in rows if set(row.profiles) <= settings.profiles]
    names = {row.id: "+".join(row.profiles) for row in rows}
    width = max((len(name) for name in names.values()), default=0)
    lines = [
        f"{row.id:<8} {row.level:<6} {names[row.id]:<{width}}  {'P' if row.needs_provider else ' '}  {row.text}"
        for row in rows
    ]
    return [*lines, f"{counted(len(rows), 'row')}; P: needs the fake providers behind the server"]
