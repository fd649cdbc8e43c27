"""Runs the shell steps of a workflow or of a composite action, as GitHub Actions would, in an empty folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bench.shell import bash

BASH: Final = ("--noprofile", "--norc", "-eo", "pipefail")  # what `shell: bash` means there
_EXPRESSION: Final = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_PYTHON: Final = Path(getattr(sys, "_base_executable", sys.executable)).parent  # no virtual environment


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, its keys, and the working directory that it names, expressions replaced."""

    name: str
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a step ended."""

    name: str
    code: int
    output: str


@dataclass(slots=True)
class Runner:
    """A machine of its own: `home` holds the workspace, the temporary folder and the file of the steps' summary.

    `contexts`: what expressions may name, such as `inputs.spec`; what is missing is empty, as there.
    """

    home: Path
    contexts: dict[str, str]

    def __post_init__(self) -> None:
        for folder in (self.workspace, self.temporary):
            folder.mkdir(parents=True)
        self.summary.touch()
        self.contexts.setdefault("runner.temp", str(self.temporary))

    @property
    def workspace(self) -> Path:
        return self.home / "work"

    @property
    def temporary(self) -> Path:
        return self.home / "temp"

    @property
    def summary(self) -> Path:
        return self.home / "summary.md"

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The variables of a step, and none of this machine's own. pip finds nothing on the network."""
        return {
            "PATH": f"{_PYTHON}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "RUNNER_TEMP": str(self.temporary),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "npm_config_offline": "true",
            **more,
        }

    def run(
        self, steps: Iterable[Step], variables: Mapping[str, str], after: Mapping[str, Callable[[], None]]
    ) -> list[Ran]:
        """Run the steps with a `run:`. A step that fails skips those behind it, unless they say otherwise.

        Args:
            variables: those of the job.
            after: what else happens after a step that succeeded.
        """
        done: list[Ran] = []
        for step in steps:
            failed = any(one.code for one in done)
            condition = _EXPRESSION.sub(r"\1", str(step.keys.get("if", "success()"))).strip()
            assert condition in ("success()", "!cancelled()", "always()"), condition
            if "run" not in step.keys or (failed and condition == "success()"):
                continue
            assert step.keys["shell"] == "bash"
            known = {f"env.{name}": value for name, value in variables.items()}
            own = {name: self.expanded(str(value), known) for name, value in step.keys.get("env", {}).items()}
            folder = self.workspace / self.expanded(str(step.keys.get("working-directory", ".")), known)
            script = self.expanded(step.keys["run"], known)
            ran = bash(script, folder, self.environment({**variables, **own}), *BASH, timeout=120)
            done.append(Ran(step.name, ran.returncode, ran.stdout))
            if not ran.returncode and step.name in after:
                after[step.name]()
        return done

    def expanded(self, text: str, more: Mapping[str, str]) -> str:
        """The text with its expressions replaced: names, and `a || b`."""
        known = {**self.contexts, **more}
        return _EXPRESSION.sub(
            lambda found: next(filter(None, (known.get(one.strip(), "") for one in found[1].split("||"))), ""), text
        )


def steps_of(document: Mapping[str, Any]) -> list[Step]:
    """The steps of a composite action, or of a workflow's one job."""
    if "runs" in document:
        assert document["runs"]["using"] == "composite"
        found = document["runs"]["steps"]
    else:
        (job,) = document["jobs"].values()
        found = job["steps"]
    return [Step(str(one.get("name") or one.get("uses")), one) for one in found]


def read(text: str) -> dict[str, Any]:
    """A YAML document. Its key `on` is the boolean true to YAML 1.1, and a text to GitHub."""
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return {"on" if key is True else key: value for key, value in document.items()}
