"""The text of a workflow of GitHub Actions that judges a project's server on every pull request."""

from __future__ import annotations

from typing import Final

from chatproof.harness.project.project_folder import ProjectFolder
from chatproof.harness.project.project_look import ProjectLook
from chatproof.harness.project.python_look import environment_folder
from chatproof.harness.protocol.apis.proposed_table import written

REPORTS: Final = "chatproof-report"  # the folder with the reports, and the artifact's name
INSTALL: Final = """\
case "${CHATPROOF_SPEC:-}" in
  -*) spec="" ;;
  */*) spec="$CHATPROOF_SPEC" ;;
  *) spec="" ;;
esac
if [ -z "$spec" ]; then
  what="must name what to install: a path or an https address of a wheel, or git+https://…"
  echo "::error title=chatproof::CHATPROOF_SPEC $what. No release exists, and a bare name could be a stranger's."
  exit 2
fi
python3 -m venv "$RUNNER_TEMP/chatproof"
"$RUNNER_TEMP/chatproof/bin/python" -m pip install --quiet --disable-pip-version-check "$spec"
"$RUNNER_TEMP/chatproof/bin/chatproof" --version"""
"""Lines for bash that install chatproof apart from the project. With a slash in it, pip takes the word for no name."""

_HEAD: Final = """\
# Written by `chatproof init --ci github`. It judges this project's chat server on every pull request: the run is red
# where the server breaks a row of the contract. chatproof.toml has the settings.
#
# chatproof is installed from what the variable CHATPROOF_SPEC names: a wheel or a git address. Set it once, under
# Settings > Secrets and variables > Actions > Variables; or write it here in place of the expression.
name: chatproof

on:
  pull_request:
  push:
    branches: [main]

permissions:
  contents: read

jobs:
  chatproof:
    runs-on: ubuntu-latest
    timeout-minutes: 20
@DEFAULTS@    env:
      CHATPROOF_SPEC: ${{ vars.CHATPROOF_SPEC }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
"""


def workflow_text(look: ProjectLook, project: ProjectFolder, inside: str = "") -> str:
    """The workflow: set up the project, install chatproof, judge, and keep the reports.

    Args:
        inside: the project's folder in its repository, such as `server/`; empty where it is the repository's own.
    """
    where = f"    defaults:\n      run:\n        working-directory: {written(inside)}\n" if inside else ""
    check = [
        f'"$RUNNER_TEMP/chatproof/bin/chatproof" check --report-html {REPORTS}/report.html \\',
        f"  --report-json {REPORTS}/report.json --junit-xml {REPORTS}/junit.xml \\",
        f"  --server-log {REPORTS}/server.log",
    ]
    if look.kind == "python" and not project.has("poetry.lock"):  # `python` in the start command is the project's
        check.insert(0, f"source {environment_folder(project)}/bin/activate")
    steps = [
        *(f"      {line.replace('-file: ', f'-file: {inside}')}\n" for line in look.tools),
        _step("Install the server", look.setup),
        _step("Install chatproof", INSTALL.splitlines()),
        _step("Judge the server", check),
        "      - name: Keep the reports\n"
        "        if: ${{ !cancelled() }}\n"
        "        uses: actions/upload-artifact@v4\n"
        "        with:\n"
        f"          name: {REPORTS}\n"
        f"          path: {written(f'{inside}{REPORTS}/')}\n"
        "          if-no-files-found: ignore\n",
    ]
    return _HEAD.replace("@DEFAULTS@", where) + "".join(steps)


def _step(name: str, lines: list[str]) -> str:
    said = "".join(f"          {line}\n" for line in lines)
    return f"      - name: {name}\n        shell: bash\n        run: |\n{said}"
