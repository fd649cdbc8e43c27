"""docs/field.md, from what came of judging each server. Nothing is published that no script shows."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

from chatproof.harness.protocol.requirements import contract
from field.judged import STANDS, Judged
from field.judging import script_of
from field.public_servers import FIELD, PublicServer

ROOT = FIELD.parent


def unproven(judged: Mapping[str, Judged], servers: Sequence[PublicServer]) -> list[str]:
    """A line for each server without a record, and for each violated row that no script shows."""
    lines = []
    for server in servers:
        if (one := judged.get(server.name)) is None:
            lines.append(f"{server.name}: not judged yet")
            continue
        for row in one.violated(server.exempt):
            where = f"{server.name}: {row.id} is violated ({row.seen[:160]})"
            if script_of(server.name, row.id) is None:
                lines.append(f"{where}: field/repro/{server.name}-{row.id}.py is missing")
            elif (shown := one.scripts.get(row.id)) is None:
                lines.append(f"{where}: its script was not run: judge the server again")
            elif shown.code != STANDS or not shown.said:
                lines.append(f"{where}: its script ended with exit code {shown.code}: {shown.said or 'no word'}")
    return lines


def page(judged: Mapping[str, Judged], servers: Sequence[PublicServer], node: str) -> str:
    """The page in Markdown. `node`: the version of node. All servers are judged, and nothing is unproven."""
    every = [judged[server.name] for server in servers]
    dates = sorted({min(one.date for one in every), max(one.date for one in every)})
    lines = [
        "# Public servers, judged",
        "",
        *_wrapped(
            f"`make field` wrote this page, with chatproof {every[0].suite} on {platform.system()}, Python"
            f" {platform.python_version()}, Node {node}; the servers were judged on {' to '.join(dates)}."
            " It installs each server, unmodified, with the versions that are locked in `field/`, puts it to work by"
            " the few lines that its own documentation shows, puts the fake OpenAI behind it, and runs"
            " `chatproof check --api … --profile core`; a server that keeps a reply running when its client leaves, and"
            " has endpoints to come back and to stop it, is judged with `--profile resume` as well. How fast a server"
            " is, is not judged here."
        ),
        "",
        *_wrapped(
            "A violated row is published only with a script that shows the same without chatproof: a plain provider and"
            " a plain client, in Python's standard library. It exits with 1 while the fault stands and with 0 once it"
            " is mended. What it printed stands in the tables. To run one again:"
        ),
        "",
        "    make field ONLY=litellm                      # judge one server again, and write this page",
        "    python -m field repro litellm-ERR-03         # one script, with the server that `make field` installed",
        "",
        *_wrapped(
            "A row that is violated says what a user would meet, not that anybody did wrong: some is meant so, and the"
            " table says where that was said. A row marked SHOULD is advice, which the protocol's own specification may"
            " not give. What each row asks for: [contract.md](contract.md)."
        ),
        "",
        "| server | version | API | kept | violated | not testable | does not apply |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for server, one in zip(servers, every, strict=True):
        counts = [len(one.of("passed")), len(one.violated(server.exempt)), len(one.of("not testable"))]
        away = len(one.of("not applicable")) + len([row for row in server.exempt if row in _ids(one, "violated")])
        name, numbers = server.shown[0], " | ".join(map(str, (*counts, away)))
        title = f"[{server.title}](#{_anchor(server.title)})"
        lines.append(f"| {title} | {name} {one.versions[name]} | {server.api} | {numbers} |")
    for server, one in zip(servers, every, strict=True):
        lines += _section(server, one)
    return "\n".join([*lines, ""])


def _section(server: PublicServer, one: Judged) -> Iterator[str]:
    texts = {row.id: row for row in contract()}
    yield from ("", f"## {server.title}", "")
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    resumes = f", and with the endpoints of [{server.table}](../field/{server.folder}/{server.table})"
    yield from _wrapped(
        f"Judged on {one.date}: {versions}. Asked at `{server.path}`, as `--api {server.api}` asks"
        f"{resumes if server.table else ''}. Its lines and its"
        f" lock: [field/{server.folder}](../field/{server.folder}). {server.note}"
    )
    yield ""
    yield from _wrapped(f"**Kept** ({len(one.of('passed'))}): {', '.join(_ids(one, 'passed')) or 'none'}.")
    violated = one.violated(server.exempt)
    yield ""
    yield f"**Violated** ({len(violated)}){':' if violated else '.'}"
    if violated:
        yield from ("", "| row | what the script saw | script | said in public |", "| --- | --- | --- | --- |")
    for row in violated:
        script = script_of(server.name, row.id)
        assert script is not None
        told = ", ".join(f"[{_short(link)}]({link})" for link in links_of(script)) or "no report found"
        level = "" if row.level == "MUST" else f" ({row.level})"
        said = one.scripts[row.id].said.replace("|", r"\|")
        yield f"| {row.id}{level} | {said} | [{script.name}](../{script.relative_to(ROOT)}) | {told} |"
    if untested := one.of("not testable"):
        yield from ("", f"**Not testable** ({len(untested)}):", "")
        yield from (f"- {row.id}: {row.seen}" for row in untested)
    away = {row.id: row.seen for row in one.of("not applicable")}
    away |= {row: reason for row, reason in server.exempt.items() if row in texts}
    yield from ("", f"**Does not apply** ({len(away)}){':' if away else '.'}")
    if away:
        yield ""
        reasons: dict[str, list[str]] = {}
        for row_id, reason in away.items():
            reasons.setdefault(reason, []).append(row_id)
        yield from (f"- {', '.join(ids)}: {reason}" for reason, ids in reasons.items())


def links_of(script: Path) -> list[str]:
    """The public reports that a script names, in the order of its text."""
    return re.findall(r"https://github\.com/\S+?/(?:issues|pull)/\d+", script.read_text(encoding="utf-8"))


def _ids(one: Judged, verdict: str) -> list[str]:
    return [row.id for row in one.of(verdict)]


def _short(link: str) -> str:
    parts = link.split("/")
    return f"{parts[-3]}#{parts[-1]}"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def _wrapped(text: str) -> list[str]:
    return fill(text, 120, break_long_words=False, break_on_hyphens=False).splitlines()
