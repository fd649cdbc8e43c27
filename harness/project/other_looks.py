"""Projects of Go, and those of which only a Dockerfile tells how they are started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from chatproof.harness.project.node_look import look_at_node
from chatproof.harness.project.project_folder import Guess, ProjectFolder
from chatproof.harness.project.project_look import Look, ProjectLook
from chatproof.harness.project.python_look import look_at_python

GO: Final = "go.mod"
GO_FRAMEWORKS: Final = ("gin-gonic/gin", "labstack/echo", "gofiber/fiber", "go-chi/chi")
IMAGE: Final = "chat-server"
PASSED: Final = (  # variables of a started server, by which an image finds port and provider
    *("PORT", "OPENAI_BASE_URL", "OPENAI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", "LOCAL_LLM_URL"),
    *("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "LLM_PROVIDER", "PROVIDER_TIMEOUT", "JWT_SECRET", "ALLOWED_ORIGINS"),
)


def look_at_go(project: ProjectFolder) -> ProjectLook | None:
    """None where there is no go.mod."""
    if not project.has(GO):
        return None
    required = re.findall(r"(?m)^\s*(?:require\s+)?([\w.-]+\.[\w-]+/[\w./-]+)\s+v", project.text(GO))
    packages = {re.sub(r"/v\d+$", "", name): GO for name in required}
    mains = [name for name, text in project.sources.items() if re.search(r"(?m)^package main\b", text)]
    folder = mains[0].rpartition("/")[0] if mains else ""
    look = ProjectLook(
        kind="go",
        manifest=GO,
        packages=packages,
        framework=next((one for one in GO_FRAMEWORKS if any(one in name for name in packages)), ""),
        start=Guess(f"go run ./{folder}" if folder else "go run .", mains[0]) if mains else None,
        setup=["go build ./..."],  # so that the start does not wait for the compiler
        tools=["- uses: actions/setup-go@v5", "  with:", "    go-version-file: go.mod"],
    )
    if reads := project.find(r"""(?:Getenv|LookupEnv)\(\s*"PORT"\s*\)"""):
        look.reads_port = Guess("PORT", reads[1])
    elif fixed := project.find(r"""(?:ListenAndServe|\.Run|\.Start|\.Listen)\(\s*":(\d{4,5})\""""):
        look.port = Guess(fixed[0][1], fixed[1])
    return look


def look_at_image(project: ProjectFolder) -> ProjectLook | None:
    """None where there is no Dockerfile."""
    if not project.has("Dockerfile"):
        return None
    given = " ".join(f"-e {name}" for name in PASSED)
    look = ProjectLook(
        kind="docker",
        manifest="Dockerfile",
        packages={},
        start=Guess(f"docker run --rm --init --network host {given} {IMAGE}", "Dockerfile"),
        setup=[f"docker build -t {IMAGE} ."],
        tools=[],
    )
    look.notes.append(f"build the image first: docker build -t {IMAGE} .")
    if exposed := re.search(r"(?im)^\s*EXPOSE\s+(\d{2,5})\b", project.text("Dockerfile")):
        look.notes.append(f"the image must listen on PORT where that is set, not always on {exposed[1]}")
    return look


LOOKS: Final[Mapping[str, Look]] = {
    "node": look_at_node,
    "python": look_at_python,
    "go": look_at_go,
    "docker": look_at_image,
}
"""The kinds of project, those that say most first."""
