"""The page that shows /openapi.json to people."""

from __future__ import annotations

import json

import pytest

from chatproof.reference_server.pages import FOLDER
from tests.browser.chromium import Watched, needs_chromium
from tests.browser.looks import CONTRASTS, OVERFLOW
from tests.browser.site import Site

pytestmark = needs_chromium


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_names_all_and_can_be_read(watched: Watched, site: Site, scheme: str) -> None:
    """Each route with its statuses, each schema with its fields; on a desk and on a phone."""
    document = json.loads(FOLDER.with_name("openapi.json").read_text(encoding="utf-8"))
    page = watched.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{site.url}/docs")
    page.locator("#api:not([aria-busy])").wait_for()
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "delete"}:
            section = page.locator(f"#{item[method]['operationId']}")
            assert section.locator("h3").inner_text() == f"{method.upper()} {path}"
            shown = section.locator("td:first-child").all_inner_texts()
            assert shown == list(item[method]["responses"])
    for name, schema in document["components"]["schemas"].items():
        shown = page.locator(f"#{name} td:first-child").all_inner_texts()
        assert shown == list(schema.get("properties", {}))
    assert "curl -N -X POST" in page.locator("#streamReply pre").first.inner_text()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(OVERFLOW) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [one for one in page.evaluate(CONTRASTS) if one[1] < 4.5] == []
    page.goto(f"{site.url}/docs#Ask")
    page.locator("#streamReply a[href='#Ask']").click()
    assert page.url.endswith("#Ask")
