// Measures what a page looks like. Functions only: looks.py wraps them, one call for each question.

const TALLER = 3; // px: the boxes of two lines may overlap by this much, since boxes are taller than letters
const UNSEEN = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "OPTION", "title", "desc"]);
const CONTROLS = "button, input, select, textarea";

const named = (element) => {
  const name = element.getAttribute?.("class") ? `.${element.getAttribute("class").trim().replace(/\s+/g, ".")}` : "";
  return `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : name}`;
};
const short = (text) => text.trim().replace(/\s+/g, " ").slice(0, 40);
const shared = (one, other) => ({
  left: Math.max(one.left, other.left), right: Math.min(one.right, other.right),
  top: Math.max(one.top, other.top), bottom: Math.min(one.bottom, other.bottom),
});
const isSeen = (box) => box.right - box.left > 1 && box.bottom - box.top > 1;
const isTogether = (one, other) => one.contains(other) || other.contains(one);

/** The part of a box that its element's ancestors do not cut off. */
function clipped(box, element) {
  let left = box;
  for (let one = element; one && one !== document.body && one !== document.documentElement; one = one.parentElement) {
    const style = getComputedStyle(one);
    if (style.overflowX !== "visible" || style.overflowY !== "visible") left = shared(left, one.getBoundingClientRect());
  }
  return left;
}

/** Each text that is seen: its element, its words, and its lines as boxes of the window. */
function texts() {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || UNSEEN.has(element.tagName) || !element.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const lines = [...range.getClientRects()].filter(isSeen);
    if (lines.length) found.push({ element, words: short(node.data), lines, color: "" });
  }
  for (const element of document.querySelectorAll("input, textarea")) {
    if (!element.checkVisibility() || element.type === "radio" || element.type === "checkbox") continue;
    const words = element.value || element.placeholder;
    const color = getComputedStyle(element, element.value ? null : "::placeholder").color;
    if (words) found.push({ element, words: short(words), lines: [element.getBoundingClientRect()], color });
  }
  return found;
}

/** Scroll through the page and show each line once, where nothing that sticks to an edge of the window hides it. */
function showEach(seen, look) {
  const before = scrollY;
  const places = seen.flatMap((text) => text.lines.map((line) => ({ text, line, at: line.top + scrollY })));
  for (let from = 0, isLast = false; !isLast;) {
    scrollTo({ top: from === 0 ? 0 : from - innerHeight * 0.2, behavior: "instant" });
    isLast = scrollY + innerHeight >= document.documentElement.scrollHeight - 1;
    const to = isLast ? Infinity : scrollY + innerHeight * 0.8;
    for (const { text, line, at } of places) {
      if (from === 0 ? at < to : at >= from && at < to) look(text, { ...line.toJSON(), top: at - scrollY, bottom: at - scrollY + line.height });
    }
    from = to;
  }
  scrollTo({ top: before, behavior: "instant" });
}

// -- contrast

const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** Red, green, blue (0 to 255) and alpha (0 to 1) of any colour that CSS knows. */
function rgba(color) {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = color;
  pen.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
}

const over = (above, below) => below.map((part, index) => index < 3 ? above[index] * above[3] + part * (1 - above[3]) : 1);

function luminance(color) {
  const [red, green, blue] = color.slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function opacity(element) {
  let whole = 1;
  for (let one = element; one; one = one.parentElement) whole *= Number(getComputedStyle(one).opacity);
  return whole;
}

/** What an element paints at a place: a colour, or null; "picture" where it is no single colour. */
function painted(element, x, y) {
  const style = getComputedStyle(element);
  let color = style.backgroundColor, part = 1;
  if (element instanceof SVGElement && element.tagName !== "svg") {
    if (!(element instanceof SVGGeometryElement) || style.fill === "none") return null;
    const place = new DOMPoint(x, y).matrixTransform(element.getScreenCTM().inverse());
    if (!element.isPointInFill(place)) return null;
    [color, part] = [style.fill, Number(style.fillOpacity)];
  } else if (style.backgroundImage !== "none") return "picture";
  const [red, green, blue, alpha] = rgba(color);
  return alpha ? [red, green, blue, alpha * part * opacity(element)] : null;
}

/** What lies below a text, from the top down: the hit-tested stack where the place is in the window, else its ancestors. */
function below(element, x, y) {
  const stack = document.elementsFromPoint(x, y);
  const at = stack.indexOf(element);
  if (at >= 0) return stack.slice(element instanceof SVGElement ? at + 1 : at);
  const found = [];
  for (let one = element; one; one = one.parentElement) found.push(one);
  return found;
}

function background(element, x, y) {
  const layers = [];
  for (const one of below(element, x, y)) {
    const layer = painted(one, x, y);
    if (layer === "picture") return null;
    if (layer) layers.push(layer);
    if (layer && layer[3] === 1) break;
  }
  const probe = document.createElement("i");
  probe.style.color = "Canvas";
  document.documentElement.append(probe);
  const canvas = rgba(getComputedStyle(probe).color);
  probe.remove();
  return layers.reverse().reduce((whole, layer) => over(layer, whole), canvas);
}

/** For each text: its words, and the lowest contrast of its lines (WCAG asks for 4.5); 0 where a picture lies behind. */
function contrasts() {
  const seen = texts().map((text) => ({ ...text, least: Infinity }));
  showEach(seen, (text, line) => {
    const behind = background(text.element, (line.left + line.right) / 2, (line.top + line.bottom) / 2);
    if (behind === null) {
      text.least = 0;
      return;
    }
    const style = getComputedStyle(text.element);
    const ink = rgba(text.color || (text.element instanceof SVGElement ? style.fill : style.color));
    ink[3] *= opacity(text.element);
    const [above, under] = [luminance(over(ink, behind)), luminance(behind)];
    text.least = Math.min(text.least, (Math.max(above, under) + 0.05) / (Math.min(above, under) + 0.05));
  });
  return seen.map((text) => [text.words, text.least]);
}

// -- places

/** Texts that cover each other, lie under something else, touch a control that is not theirs, or run off their picture. */
function overlaps() {
  const found = [], pieces = [];
  const add = (element, words, box, picture, isControl = false) =>
    pieces.push({ element, words, box, picture, isControl });
  const seen = texts();
  showEach(seen, ({ element, words }, line) => {
    const box = clipped(line, element);
    const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    const top = isSeen(box) && document.elementFromPoint(x, y);
    if (top && !top.contains(element) && painted(top, x, y)) found.push(`${words} lies under ${named(top)}`);
  });
  for (const { element, words, lines } of seen) {
    const picture = element instanceof SVGElement ? element.ownerSVGElement : null;
    for (const line of lines) {
      if (picture) {
        const frame = picture.getBoundingClientRect();
        const isInside = line.left >= frame.left - 0.5 && line.right <= frame.right + 0.5
          && line.top >= frame.top - TALLER && line.bottom <= frame.bottom + TALLER;
        if (!isInside) found.push(`${words} runs off its picture`);
        add(element, words, line, picture);
      }
      const box = clipped(line, element);
      if (!isSeen(box)) continue;
      if (!picture) add(element, words, box, null);
    }
  }
  for (const element of document.querySelectorAll(CONTROLS)) {
    const box = clipped(element.getBoundingClientRect(), element);
    if (element.checkVisibility() && isSeen(box)) add(element, named(element), box, null, true);
  }
  pieces.sort((one, other) => one.box.top - other.box.top);
  pieces.forEach((one, index) => {
    for (let next = index + 1; next < pieces.length && pieces[next].box.top < one.box.bottom; next += 1) {
      const other = pieces[next];
      if (one.picture !== other.picture) continue;
      const areLines = one.element === other.element && !one.isControl && !other.isControl;
      if (!areLines && isTogether(one.element, other.element)) continue;
      const { left, right, top, bottom } = shared(one.box, other.box);
      if (right - left > 0.5 && bottom - top > TALLER) found.push(`${one.words} covers ${other.words}`);
    }
  });
  return found;
}

/** Elements that are wider than the page, but for what scrolls by itself or is cut off. */
function overflow() {
  const page = document.documentElement.clientWidth, found = [];
  for (const one of document.querySelectorAll("body *")) {
    if (!one.checkVisibility() || one.closest("svg") !== (one.tagName === "svg" ? one : null)) continue;
    const box = clipped(one.getBoundingClientRect(), one.parentElement);
    const isInside = box.right <= page + 0.5 && box.left >= -0.5;
    if (isSeen(box) && !isInside) found.push(`${named(one)}: ${box.left} to ${box.right}`);
  }
  return found;
}

/** Texts of more than five lines in a column that is narrower than a few words: a void stands beside them. */
function squeezed() {
  return texts().filter(({ lines }) => lines.length > 5 && Math.max(...lines.map((line) => line.right - line.left)) < 90)
    .map(({ words, lines }) => `${words}: ${lines.length} lines`);
}

/** Empty bands that are higher than 120 px, between what is seen. */
function voids() {
  const boxes = texts().flatMap(({ element, lines }) => lines.map((line) => clipped(line, element)));
  for (const one of document.querySelectorAll(`svg, img, ${CONTROLS}`)) {
    if (one.checkVisibility()) boxes.push(clipped(one.getBoundingClientRect(), one));
  }
  const found = [];
  let end = null;
  for (const box of boxes.filter(isSeen).sort((one, other) => one.top - other.top)) {
    if (end !== null && box.top - end > 120) found.push(`${Math.round(box.top - end)} px above ${Math.round(box.top + scrollY)}`);
    end = end === null ? box.bottom : Math.max(end, box.bottom);
  }
  return found;
}

/** Letters of pictures that are smaller than 9.5 px on the screen. */
function small() {
  return texts().filter(({ element }) => element instanceof SVGElement)
    .map(({ element, words }) => [words, parseFloat(getComputedStyle(element).fontSize) * element.getScreenCTM().a])
    .filter(([, size]) => size < 9.5).map(([words, size]) => `${words}: ${size.toFixed(1)} px`);
}
