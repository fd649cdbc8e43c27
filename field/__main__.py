"""`python -m field`: install public servers apart from the project, judge them, and write docs/field.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.peers import NotInstalled
from field.judged import Judged
from field.judging import REPRO, NotJudged, judge, prove, show
from field.page import ROOT, page, unproven
from field.public_servers import SERVERS, PublicServer

REPORT: Final = ROOT / "docs" / "field.md"


def default_folder() -> Path:
    """What FIELD_DIR names, else a folder in the user's cache."""
    return Path(os.environ.get("FIELD_DIR") or Path.home() / ".cache" / "chatproof-field")


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 where a server cannot be judged or a violated row has no script that shows it; 4 for bad usage."""
    names = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(prog="python -m field", description=__doc__.partition(": ")[2])
    about = "folder outside the checkout in which to install them, once (default: FIELD_DIR, else %(default)s)"
    parser.add_argument("--dir", type=Path, default=default_folder(), metavar="DIR", help=about)
    about = "page to write (default: %(default)s)"
    parser.add_argument("--report", type=Path, default=REPORT, metavar="FILE", help=about)
    about = (
        f"judge only these again: {', '.join(names)} (default: all); `page`: judge none, run the scripts that were not"
        " run, and write the page; `repro SCRIPT`: run one script of field/repro"
    )
    parser.add_argument("what", nargs="*", metavar="SERVER", help=about)
    options = parser.parse_args(arguments)
    folder = options.dir.expanduser().resolve()
    what: list[str] = options.what
    if folder.is_relative_to(ROOT.resolve()):
        return _refused(f"--dir: {folder} lies in the checkout; the servers are installed outside of it")
    try:
        if what[:1] == ["repro"]:
            return _repro(what[1:], folder)
        chosen = names if not what else [] if what == ["page"] else what
        if unknown := [name for name in chosen if name not in names]:
            return _refused(f"there is no server {unknown[0]!r}; there are {', '.join(names)}")
        judged, failed = {}, 0
        for server in SERVERS:
            try:
                if one := _judged(server, folder, server.name in chosen):
                    judged[server.name] = one
            except (NotInstalled, NotJudged, OSError, ValueError) as problem:
                sys.stderr.write(f"{problem}\n")
                failed = 1
        return _publish(judged, options.report) or failed
    except KeyboardInterrupt:
        return 130


def _judged(server: PublicServer, folder: Path, anew: bool) -> Judged | None:
    """Judge one server `anew`, or take its record, if there is one, and run the scripts that were not run."""
    path = folder / "records" / f"{server.name}.json"
    if anew:
        sys.stderr.write(f"{server.title}\n")
        judged = judge(server, server.installed(folder), folder)
    elif path.exists():
        judged = Judged.read(path)
    else:
        return None
    prove(server, judged, folder)
    judged.write(path)
    return judged


def _publish(judged: Mapping[str, Judged], report: Path) -> int:
    if lines := unproven(judged, SERVERS):
        sys.stderr.writelines(f"{line}\n" for line in lines)
        sys.stderr.write(f"{report} is not written: {len(lines)} of its lines would have nothing that shows them\n")
        return 1
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    report.write_text(page(judged, SERVERS, node.removeprefix("v")), encoding="utf-8")
    sys.stdout.write(f"{report} is written\n")
    return 0


def _repro(names: Sequence[str], folder: Path) -> int:
    """Run one script with its server, and pass on what it says and its exit code."""
    known = {path.stem: path for path in sorted(REPRO.glob("*-*-[0-9]*"))}
    if len(names) != 1 or names[0] not in known:
        return _refused(f"name one script: {', '.join(known) or 'there is none'}")
    server = _named(names[0].rsplit("-", 2)[0])  # its row is the rest: ERR-03
    try:
        shown = show(known[names[0]], server.installed(folder))
    except NotInstalled as problem:
        return _refused(str(problem))
    sys.stdout.write(f"{shown.said}\n")
    return shown.code


def _named(name: str) -> PublicServer:
    return next(server for server in SERVERS if server.name == name)


def _refused(line: str) -> int:
    sys.stderr.write(f"python -m field: {line}\n")
    return 4


if __name__ == "__main__":
    sys.exit(main())
