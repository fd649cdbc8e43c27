"""What a page looks like, measured in the browser: scripts for `Page.evaluate`. looks.js says what each finds.

All of them find nothing where the page is as it should be, but `CONTRASTS`, which gives every text with its contrast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LIBRARY: Final = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")


def _script(function: str) -> str:
    return f"() => {{ {_LIBRARY}\nreturn {function}(); }}"


CONTRASTS: Final = _script("contrasts")
OVERLAPS: Final = _script("overlaps")
OVERFLOW: Final = _script("overflow")
SQUEEZED: Final = _script("squeezed")
VOIDS: Final = _script("voids")
SMALL: Final = _script("small")
LEAST_CONTRAST: Final = 4.5

# -- for the suite's report of 18,000 elements, where a hit test for each text would take half a minute

LARGE_PAGE_CONTRASTS: Final = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => color.slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = rgb(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    if (["SCRIPT", "STYLE", "title", "OPTION"].includes(element.tagName)) continue;
    const style = getComputedStyle(element), below = light(behind(element));
    const above = light(rgb(element instanceof SVGElement ? style.fill : style.color));
    const ratio = (Math.max(above, below) + 0.05) / (Math.min(above, below) + 0.05);
    found.push([element.textContent.trim().slice(0, 40), style.opacity < 1 ? ratio * style.opacity : ratio]);
  }
  return found;
}"""
"""As `CONTRASTS`, but against the nearest opaque background of the elements around a text."""

LABELS: Final = """() => {
  const found = [];
  for (const picture of document.querySelectorAll("svg.timeline")) {
    const frame = picture.viewBox.baseVal;
    const boxes = [...picture.querySelectorAll("text")].map((text) => {
      const box = text.getBBox(), shift = text.closest("[transform]");
      const move = shift ? shift.transform.baseVal.consolidate().matrix : { e: 0, f: 0 };
      return [text.textContent, box.x + move.e, box.y + move.f, box.width, box.height];
    });
    const where = picture.closest(".row").id;
    boxes.forEach(([text, x, y, width, height], index) => {
      const isInside = x >= 0 && y >= -2 && x + width <= frame.width && y + height <= frame.height;
      if (!isInside) found.push(`${where}: ${text} runs off`);
      for (const [other, left, top, wide, high] of boxes.slice(index + 1)) {
        const across = Math.min(x + width, left + wide) - Math.max(x, left);
        const down = Math.min(y + height, top + high) - Math.max(y, top);
        if (across > 0.5 && down > 3) found.push(`${where}: ${text} covers ${other}`);  // boxes are taller than letters
      }
    });
  }
  return found;
}"""
"""Labels of pictures that cover each other, or run off their picture."""
