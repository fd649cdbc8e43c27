"""A project of Node: package.json, its lock file, and what its sources listen on."""

from __future__ import annotations

import re
from typing import Any, Final

from chatproof.harness.project.known_packages import JAVASCRIPT_OLLAMA
from chatproof.harness.project.project_folder import Guess, ProjectFolder, plain
from chatproof.harness.project.project_look import ProjectLook
from chatproof.harness.project.start_guess import image_command, without_shell

MANIFEST: Final = "package.json"
FRAMEWORKS: Final = ("next", "@nestjs/core", "nuxt", "fastify", "hono", "koa", "express", "@sveltejs/kit")
BUILT: Final = ("next", "@nestjs/core", "nuxt", "@sveltejs/kit")  # `start` serves what `build` made
MAIN_FILES: Final = ("server.js", "server.mjs", "index.js", "index.mjs", "app.js", "src/server.js", "src/index.js")
READS_PORT: Final = r"\benv(?:\.|\[['\"]|\(['\"])PORT\b|\bPORT\s*[,=}][^;\n]*process\.env"
FIXED_PORT: Final = (
    r"(?:\.listen|\bserve)\(\s*(?:\{[^{}]*?\bport\s*:\s*)?(\d{4,5})\b"
    r"|\b(?:const|let|var)\s+(?:port|PORT)\s*=\s*(\d{4,5})\b"
)
_NODE: Final = re.compile(r"node(?: --[\w-]+(?:=[\w./-]+)?)* [\w./@-]+\.[cm]?[jt]s")


def look_at_node(project: ProjectFolder) -> ProjectLook | None:
    """None where there is no package.json."""
    if not project.has(MANIFEST):
        return None
    manifest = project.json(MANIFEST)
    packages = {**plain(manifest.get("devDependencies")), **plain(manifest.get("dependencies"))}
    found = dict.fromkeys(packages, MANIFEST)
    framework = next((name for name in FRAMEWORKS if name in packages), "")
    scripts, manager = plain(manifest.get("scripts")), _manager(project)
    look = ProjectLook(
        kind="node",
        manifest=MANIFEST,
        packages=found,
        framework=framework,
        start=_start(project, manifest, scripts, manager),
        setup=_setup(project, manager),
        tools=_tools(project, manager),
    )
    if "build" in scripts and (framework in BUILT or (look.start and _needs_build(look.start.value, scripts))):
        look.setup.append(f"{manager} run build")
        look.notes.append(f"the start command serves what `{manager} run build` made: build before `chatproof check`")
    if "ollama" in packages:
        look.notes.append(f"ollama's JavaScript client reads no variable; in code: {JAVASCRIPT_OLLAMA}")
    if framework in ("next", "nuxt"):
        look.reads_port = Guess("PORT", f"{framework} reads it")
    elif reads := project.find(READS_PORT):
        look.reads_port = Guess("PORT", reads[1])
    elif fixed := project.find(FIXED_PORT):
        look.port = Guess(fixed[0][1] or fixed[0][2], fixed[1])
    return look


def _manager(project: ProjectFolder) -> str:
    locks = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}
    return next((manager for lock, manager in locks.items() if project.has(lock)), "npm")


def _start(project: ProjectFolder, manifest: dict[str, Any], scripts: dict[str, Any], manager: str) -> Guess | None:
    script = scripts.get("start")
    if isinstance(script, str) and script.strip():
        source = f"{MANIFEST}: scripts.start"
        return Guess(script if _NODE.fullmatch(script) else f"{manager} run start", source)
    if (command := image_command(project)).startswith(("node ", "npm ", "npx ", "pnpm ", "yarn ", "bun ")):
        return Guess(command, "Dockerfile: CMD")
    main = manifest.get("main")
    if isinstance(main, str) and project.has(main) and without_shell(f"node {main}"):
        return Guess(f"node {main}", f"{MANIFEST}: main")
    if isinstance(scripts.get("dev"), str):
        return Guess(f"{manager} run dev", f"{MANIFEST}: scripts.dev")
    there = next((name for name in MAIN_FILES if project.has(name)), None)
    return Guess(f"node {there}", f"{there} is there") if there else None


def _needs_build(command: str, scripts: dict[str, Any]) -> bool:
    said = command if command.startswith("node ") else str(scripts.get("start", ""))
    return bool(re.search(r"\b(?:dist|build|out|\.next|\.output)/", said))


def _setup(project: ProjectFolder, manager: str) -> list[str]:
    if manager == "npm":
        return ["npm ci" if project.has("package-lock.json") else "npm install"]
    if manager == "bun":
        return ["bun install --frozen-lockfile"]
    return [
        f"corepack enable {manager}",
        f"{manager} install {'--immutable' if manager == 'yarn' else '--frozen-lockfile'}",
    ]


def _tools(project: ProjectFolder, manager: str) -> list[str]:
    version = "node-version-file: .nvmrc" if project.has(".nvmrc") else "node-version: 22"
    steps = ["- uses: actions/setup-node@v4", "  with:", f"    {version}"]
    return [*steps, "- uses: oven-sh/setup-bun@v2"] if manager == "bun" else steps
