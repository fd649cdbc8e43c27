"use strict";
(() => {
  const rows = [...document.querySelectorAll(".row")];
  const chips = [...document.querySelectorAll(".bar button[data-verdict]")];
  const group = document.getElementById("group"), text = document.getElementById("text");
  const shown = document.getElementById("shown");
  const haystacks = new Map(rows.map((row) => [row, row.dataset.text.toLowerCase()]));

  const filter = () => {
    const verdicts = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.verdict);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = (!verdicts.length || verdicts.includes(row.dataset.verdict))
        && (!group.value || row.dataset.group === group.value)
        && words.every((word) => haystacks.get(row).includes(word));
      row.hidden = !fits;
      count += fits ? 1 : 0;
    }
    for (const part of document.querySelectorAll("section.rows")) part.hidden = !part.querySelector(".row:not([hidden])");
    shown.textContent = count === rows.length ? `all ${count} rows` : `${count} of ${rows.length} rows`;
  };

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  group.addEventListener("change", filter);
  text.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== text) { event.preventDefault(); text.focus(); }
    if (event.key === "Escape" && document.activeElement === text) { text.value = ""; filter(); text.blur(); }
  });
  const open = () => {
    const row = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (row && row.matches("details")) { row.hidden = false; row.open = true; row.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  document.querySelector(".bar").hidden = false;
  filter();
  open();
})();
