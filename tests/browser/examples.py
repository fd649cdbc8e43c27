"""How the documentation's client examples get into a page: unchanged, on the server's own origin."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

DOCUMENTS: Final = Path(__file__).parent / "documents"
JS: Final = Path(__file__).parent / "js"
PACED: Final = "A train leaves the station on time, and every carriage follows the one before it down the line."


def show(page: Page, url: str, body: str, script: str) -> None:
    """A page of the server's origin with that body and that script, which the server itself does not have."""
    html = f"<!doctype html><link rel=icon href=data:,><body>{body}<script src=/example.js></script>"
    page.route(f"{url}/example", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.route(f"{url}/example.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    page.goto(f"{url}/example")


def bundled(entry: str) -> str:
    """A script of js/ with all that it imports, as one."""
    command = [str(JS / "node_modules" / ".bin" / "esbuild"), str(JS / entry), "--bundle", "--jsx=automatic"]
    # The documents lie outside of js/: the path tells where their imports are.
    environ = {**os.environ, "NODE_PATH": str(JS / "node_modules")}
    options = ["--define:process.env.NODE_ENV='production'", "--log-level=warning", "--charset=utf8"]
    return subprocess.run(
        [*command, *options], env=environ, check=True, capture_output=True, timeout=60
    ).stdout.decode()


def say(page: Page, message: str) -> None:
    """Send it, and see the answer grow."""
    page.get_by_placeholder("Ask something...").fill(message)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "whole => { const part = document.querySelector('.response').textContent;"
        " return part.length > 0 && part.length < whole && whole - part.length; }",
        arg=len(PACED),
    )
