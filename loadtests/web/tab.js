// Charts below Locust's table of the tab "Streams". Nothing is drawn while another tab is open.
(() => {
  "use strict";
  const KEY = "chatproof";
  const base = document.currentScript.src.replace(/tab\.js.*$/, "");
  const SVG = "http://www.w3.org/2000/svg";
  const CHARTS = [
    { title: "Time to first token", unit: "s", lines: [["ttft_p95", "p95", "#a04fd6"], ["ttft_p50", "p50", "#3b82f6"]] },
    { title: "Time between tokens (p95)", unit: "s", lines: [["gap_p95", "p95", "#c77d12"]] },
    { title: "Tokens per second", unit: "", lines: [["tokens", "tokens", "#16a085"]] },
    { title: "Streams per second", unit: "",
      lines: [["started", "started", "#3b82f6"], ["ended", "over", "#16a085"], ["failed", "failed", "#e0454f"]] },
  ];
  const panel = document.createElement("section");
  panel.id = "chatproof-charts";
  panel.hidden = true;
  panel.style.cssText = "max-width:1536px;margin:0 auto;padding:0 24px 72px;font:14px/1.5 Roboto,Helvetica,Arial,sans-serif";
  document.body.append(panel);

  const element = (name, attributes, parent, text) => {
    const made = name.startsWith("svg:") ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;  // never as HTML: a server under test may say anything
    if (parent) parent.append(made);
    return made;
  };
  const words = (value, unit) => unit !== "s" ? value.toLocaleString("en", { maximumFractionDigits: 1 })
    : value < 1 ? `${+(value * 1000).toPrecision(3)} ms` : `${+value.toPrecision(3)} s`;
  // all numbers of an axis in the one unit that its end asks for
  const onAxis = (value, unit, top) => unit !== "s" ? words(value, unit)
    : top < 2 ? `${+(value * 1000).toPrecision(6)} ms` : `${+value.toPrecision(6)} s`;
  const step = (top) => {
    const power = 10 ** Math.floor(Math.log10(top / 4));
    return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= top / 4 - 1e-12);
  };

  const draw = (chart, rows, columns, parent) => {
    const box = element("figure", { style: "margin:0;min-width:0" }, parent);
    element("div", { style: "font-weight:600" }, box, chart.title);
    const key = element("div", { style: "font-size:12px" }, box);
    const W = 480, H = 220, L = 72, R = 12, T = 10, B = 28;
    const svg = element("svg:svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": chart.title,
      "data-chart": chart.title, style: "width:100%;height:auto;display:block" }, box);
    const at = columns.indexOf("at");
    const first = rows[0][at], last = Math.max(rows[rows.length - 1][at], first + 1);
    const series = chart.lines.map(([name]) => rows.map((row) => [row[at], row[columns.indexOf(name)]])
      .filter(([, value]) => value !== null));
    const top = Math.max(...series.flat().map(([, value]) => value), chart.unit === "s" ? 0.001 : 1) * 1.05;
    const x = (value) => L + (value - first) / (last - first) * (W - L - R);
    const y = (value) => H - B - value / top * (H - T - B);
    for (let mark = 0; mark <= top; mark += step(top)) {
      element("svg:line", { x1: L, x2: W - R, y1: y(mark), y2: y(mark), stroke: "currentColor", "stroke-opacity": 0.15 }, svg);
      element("svg:text", { x: L - 8, y: y(mark) + 4, "text-anchor": "end", "font-size": 12, fill: "currentColor" }, svg,
        onAxis(mark, chart.unit, top));
    }
    for (let part = 0; part <= 2; part += 1) {
      const value = first + (last - first) * part / 2;
      element("svg:text", { x: x(value), y: H - 6, "text-anchor": ["start", "middle", "end"][part],
        "font-size": 12, fill: "currentColor" }, svg, new Date(value * 1000).toLocaleTimeString());
    }
    chart.lines.forEach(([, name, colour], index) => {
      const points = series[index].map(([when, value]) => `${x(when).toFixed(1)},${y(value).toFixed(1)}`);
      element("svg:polyline", { points: points.join(" "), fill: "none", stroke: colour, "stroke-width": 2 }, svg);
      const now = series[index].length ? words(series[index][series[index].length - 1][1], chart.unit) : "-";
      const entry = element("span", { style: "margin-right:14px" }, key);
      const dot = `display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:5px;background:${colour}`;
      element("i", { style: dot }, entry);
      entry.append(`${name} ${now}`);
    });
  };

  const show = (data) => {
    const whole = document.createDocumentFragment();
    const lost = { ...(data.crew || {}).lost, ...(data.crew || {}).refused };
    for (const [worker, why] of Object.entries(lost)) {
      element("p", { style: "border-left:4px solid #e0454f;padding-left:10px;font-weight:600" }, whole, `Worker ${worker}: ${why}. Its figures are missing.`);
    }
    const total = Object.values(data.outcomes).reduce((sum, count) => sum + count, 0);
    const told = Object.entries(data.outcomes).map(([name, count]) => `${count.toLocaleString("en")} ${name}`).join(" · ");
    element("p", { id: "chatproof-outcomes" }, whole, total ? `Outcomes: ${told}` : "No stream is over yet.");
    const kept = data.objectives.map(([verdict, text]) => `${text}: ${verdict}`).join(" · ");
    if (total) element("p", {}, whole, `Objectives so far: ${kept}`);
    const grid = element("div", { style: "display:grid;gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))" }, whole);
    if (data.series.length) for (const chart of CHARTS) draw(chart, data.series, data.columns, grid);
    panel.replaceChildren(whole);
  };

  const isOpen = () => new URLSearchParams(window.location.search).get("tab") === KEY;
  // Locust's page is as high as the window: without this the charts would begin below its end
  const squeeze = (open) => {
    for (const box of document.querySelectorAll("#root, #root > *, #root > * > *")) {
      if (!open) box.style.minHeight = "";
      else if (parseFloat(getComputedStyle(box).minHeight) > 200) box.style.minHeight = "0";
    }
  };
  let asked = 0;
  const look = async () => {
    if (panel.hidden === isOpen()) {
      panel.hidden = !isOpen();
      squeeze(!panel.hidden);
    }
    if (panel.hidden || Date.now() - asked < 2000) return;
    asked = Date.now();
    panel.style.color = getComputedStyle(document.body).color;
    try {
      const answer = await fetch(`${base}data`);
      if (answer.ok) show(await answer.json());
    } catch (error) {
      element("p", {}, panel, `No answer from Locust: ${error.message}`);
    }
  };
  window.setInterval(look, 250);
})();
