"""The playground as a person uses it."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Locator, Page

TRANSPORTS: Final = {"sse": "SSE", "socketio": "Socket.IO"}


def ask(page: Page, message: str, to: str = "both") -> None:
    """Type a message and send it to a panel, or to both."""
    page.get_by_role("radio", name=TRANSPORTS.get(to, "Both"), exact=True).check()
    page.get_by_label("Message", exact=True).fill(message)
    page.keyboard.press("Enter")


def panel(page: Page, transport: str) -> Locator:
    return page.locator(f"section#{transport}")


def reply(page: Page, transport: str) -> Locator:
    """The text of the newest reply."""
    return panel(page, transport).locator("article").last.locator(".reply")


def notice(page: Page, transport: str, kind: str) -> Locator:
    """What is said about the newest reply: of kind `error` or `stopped`."""
    return panel(page, transport).locator("article").last.locator(f".notice.{kind}")


def wait_over(page: Page, transport: str) -> None:
    """Until the newest reply has ended, in whichever way; also where its panel is not the one that is shown."""
    newest = panel(page, transport).locator("article").last
    newest.and_(page.locator("[aria-busy=false]")).wait_for(state="attached")


def number(page: Page, transport: str, name: str) -> str:
    """One of first, tokens, duration, speed, as shown."""
    return panel(page, transport).locator(f"[data-number={name}]").inner_text()
