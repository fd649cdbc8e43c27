// Draws when a reply's tokens arrived: a line that rises with each token, and below it a tick for each.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 96;
const FLOOR = 70; // y of the line's start; ticks and labels are below it
const TOP = 8;
const SIDE = 14;

export class Chart {
  #arrivals = []; // milliseconds since the request
  #drawing = 0;

  constructor(svg) {
    this.svg = svg;
    new ResizeObserver(() => this.#draw()).observe(svg); // at once: the frame of the new size is not painted yet
  }

  clear() {
    this.#arrivals = [];
    this.#drawSoon();
  }

  add(milliseconds) {
    this.#arrivals.push(milliseconds);
    this.#drawSoon();
  }

  #drawSoon() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  }

  #draw() {
    const width = this.svg.clientWidth;
    if (width === 0) return; // hidden: it is drawn when it has a size
    const count = this.#arrivals.length;
    const last = count > 0 ? this.#arrivals[count - 1] : 0;
    const span = roundUp(Math.max(last, 100));
    const x = (time) => SIDE + (time / span) * (width - 2 * SIDE);
    const y = (tokens) => FLOOR - (tokens / Math.max(count, 1)) * (FLOOR - TOP);
    const stair = this.#arrivals.map((time, index) => `H${x(time).toFixed(1)}V${y(index + 1).toFixed(1)}`).join("");
    const ticks = this.#arrivals.map((time) => `M${x(time).toFixed(1)} ${FLOOR + 3}v6`).join("");
    const end = x(last).toFixed(1);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute(
      "aria-label",
      count > 0 ? `${count} tokens arrived within ${seconds(last)} of the request` : "No tokens yet",
    );
    this.svg.replaceChildren(
      path("floor", `M${SIDE} ${FLOOR}H${width - SIDE}`),
      path("area", count > 0 ? `M${SIDE} ${FLOOR}${stair}H${end}V${FLOOR}Z` : ""),
      path("stair", count > 0 ? `M${SIDE} ${FLOOR}${stair}` : ""),
      path("ticks", ticks),
      ...(count > 0 ? [0, 0.5, 1] : []).map((part) => label(x(part * span), part, onAxis(part * span, span))),
    );
  }
}

/** Round up to 1, 2 or 5 times a power of ten: the axis then does not change with every token. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}

export function seconds(milliseconds) {
  if (milliseconds === 0) return "0 s";
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${+(milliseconds / 1000).toFixed(2)} s`;
}

/** A time on an axis, in the one unit that the axis's end asks for. */
function onAxis(milliseconds, end) {
  if (milliseconds === 0) return "0";
  return end < 2000 ? `${milliseconds} ms` : `${milliseconds / 1000} s`;
}

function path(name, data) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("class", name);
  element.setAttribute("d", data);
  return element;
}

function label(x, part, text) {
  const element = document.createElementNS(SVG, "text");
  element.setAttribute("x", x);
  element.setAttribute("y", HEIGHT - 4);
  element.setAttribute("text-anchor", ["start", "middle", "end"][part * 2]);
  element.textContent = text;
  return element;
}
