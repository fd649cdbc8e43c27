"""`python -m bench install`: what each way to install chatproof brings, in distributions and megabytes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.lines import ROOT

EXTRAS: Final[tuple[str, ...]] = ("", "reference", "load", "inprocess", "all")  # "": the core


@dataclass(frozen=True, slots=True)
class Installed:
    """The distributions of a folder such as site-packages, by normalized name, and the bytes of each."""

    found: dict[str, Distribution]
    sizes: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> Installed:
        """Compiled files (.pyc) do not count: pip writes them or not, as it is told."""
        every = distributions(path=[str(folder)])
        found: dict[str, Distribution] = {canonicalize_name(one.metadata["Name"]): one for one in every}
        return cls(found, {name: sum(_bytes(one)) for name, one in found.items()})

    def closure(self, requirements: Iterable[Requirement]) -> set[str]:
        """The names of the distributions that these requirements bring, directly or by each other."""
        seen: set[tuple[str, frozenset[str]]] = set()
        left = list(requirements)
        while left:
            requirement = left.pop()
            key = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if key not in seen and key[0] in self.found:
                seen.add(key)
                left += needs(self.found[key[0]], key[1])
        return {name for name, _ in seen}


def needs(distribution: Distribution, extras: Iterable[str] = ()) -> list[Requirement]:
    """What a distribution with these extras requires on this machine."""
    wanted = [Requirement(line) for line in distribution.requires or []]
    chosen = ("", *extras)
    return [one for one in wanted if one.marker is None or any(one.marker.evaluate({"extra": name}) for name in chosen)]


def run(wheel: Path | None) -> int:
    """Install each way into an empty environment, and print the tables. 0, or 1 where an install fails."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            built = wheel.absolute() if wheel else _build(Path(folder))
            ways = [extra for extra in EXTRAS if not extra or extra in _extras(built)]
            environments = {extra: _install(built, extra, Path(folder)) for extra in ways}
        except subprocess.CalledProcessError as problem:
            sys.stderr.write(f"{problem.cmd[0]}: {problem.stderr or problem}\n")
            return 1
        print_tables(environments)
    return 0


def print_tables(environments: dict[str, Installed]) -> None:
    """What each way to install brings, chatproof itself not counted; then what each dependency brings to it."""
    write = sys.stdout.write
    write(f"Python {sys.version.split()[0]}, {sysconfig.get_platform()}; 1 MB is 1,000,000 bytes; .pyc not counted.\n")
    write("\n| install | distributions | MB |\n| --- | --- | --- |\n")
    for extra, installed in environments.items():
        others = installed.found.keys() - {"chatproof"}
        write(f"| `{_spelled(extra)}` | {_brought(installed, others)} |\n")
    write("\n| dependency | install | own MB | with all it needs: distributions | MB |")
    write(" needed by nothing else: distributions | MB |\n")
    write("| --- | --- | --- | --- | --- | --- | --- |\n")
    told: set[str] = set()
    for extra, installed in environments.items():
        wanted = needs(installed.found["chatproof"], [extra] if extra else [])
        everything = installed.closure(wanted)
        for one in sorted(wanted, key=lambda one: -installed.sizes.get(canonicalize_name(one.name), 0)):
            name = canonicalize_name(one.name)
            if name in told or name not in installed.sizes:
                continue
            told.add(name)
            whole = installed.closure([one])
            alone = everything - installed.closure(other for other in wanted if other is not one)
            own = f"{installed.sizes[name] / 1e6:.1f} | {_brought(installed, whole)} | {_brought(installed, alone)}"
            write(f"| {name} | {extra or 'core'} | {own} |\n")


def _brought(installed: Installed, names: Collection[str]) -> str:
    return f"{len(names)} | {sum(installed.sizes[name] for name in names) / 1e6:.1f}"


def _build(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (built,) = folder.glob("chatproof-*.whl")
    return built


def _extras(wheel: Path) -> set[str]:
    (found,) = distributions(path=[str(wheel)])
    return set(found.metadata.get_all("Provides-Extra") or [])


def _install(wheel: Path, extra: str, folder: Path) -> Installed:
    home = folder / (extra or "core")
    venv.create(home, with_pip=False, symlinks=sys.platform != "win32")
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
    command += ["--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
    sys.stderr.write(f"installing {_spelled(extra)}\n")
    command.append(f"{_spelled(extra)} @ {wheel.as_uri()}")
    subprocess.run(command, check=True, capture_output=True, text=True)
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    return Installed.read(Path(paths["purelib"]))


def _spelled(extra: str) -> str:
    return f"chatproof[{extra}]" if extra else "chatproof"


def _bytes(distribution: Distribution) -> Iterator[int]:
    for file in distribution.files or []:
        path = Path(str(distribution.locate_file(file)))
        if path.suffix != ".pyc" and path.is_file():
            yield path.stat().st_size
