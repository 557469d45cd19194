"use strict";
// Tables: sort, filter and hide columns, by hand or by the address: #table2?sort=method&order=desc&filter=ours&hide=place
const facts = JSON.parse(document.getElementById("facts").textContent);
const tables = new Map([...document.querySelectorAll("table.data")].map((table) => [table.id, table]));
const original = new Map([...tables.values()].map((table) => [table, [...table.tBodies[0].rows]]));
const states = new Map([...tables.keys()].map((id) => [id, { sort: "", order: "asc", filter: "", hide: [] }]));

const headsOf = (table) => [...table.tHead.rows[0].cells];
const numbersOf = (table) => [...table.querySelectorAll("tbody button.n")].filter((one) => !one.closest(".off"));
const toolsOf = (id) => document.querySelector(`.tools[data-for="${CSS.escape(id)}"]`);

function compare(column, numeric, sign) {
  return (a, b) => {
    const [x, y] = [a, b].map((row) => row.cells[column].dataset.v ?? "");
    if (x === "" || y === "") return (x === "") - (y === ""); // what is absent is last, whichever way
    return sign * (numeric ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true }));
  };
}

function show(id) {
  const table = tables.get(id), state = states.get(id), heads = headsOf(table), tools = toolsOf(id);
  const column = heads.findIndex((head) => head.dataset.key === state.sort);
  const rows = [...original.get(table)];
  if (column >= 0) rows.sort(compare(column, "number" in heads[column].dataset, state.order === "desc" ? -1 : 1));
  heads.forEach((head, place) => {
    const way = place !== column ? null : state.order === "desc" ? "descending" : "ascending";
    way ? head.setAttribute("aria-sort", way) : head.removeAttribute("aria-sort");
  });
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const matches = words.every((word) => text.includes(word));
    row.classList.toggle("off", !matches);
    shown += matches;
    heads.forEach((head, place) => row.cells[place].classList.toggle("off", state.hide.includes(head.dataset.key)));
  }
  heads.forEach((head) => head.classList.toggle("off", state.hide.includes(head.dataset.key)));
  table.tBodies[0].append(...rows);
  tools.querySelector("input[type=search]").value = state.filter;
  for (const box of tools.querySelectorAll("input[type=checkbox]")) box.checked = !state.hide.includes(box.dataset.key);
  tools.querySelector("output").textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  rove(table);
}

let changed = null; // the table whose state the address is about to say

function address(id) {
  if (changed === null) queueMicrotask(write); // once for many changes: browsers refuse more than some 20 a second
  changed = id;
}

function write() {
  const id = changed;
  changed = null;
  const { sort, order, filter, hide } = states.get(id);
  const query = new URLSearchParams();
  if (sort) query.set("sort", sort);
  if (sort && order === "desc") query.set("order", order);
  if (filter) query.set("filter", filter);
  if (hide.length) query.set("hide", hide.join(","));
  const text = query.toString();
  history.replaceState(null, "", `#${id}${text ? `?${text}` : ""}`);
}

function change(id, part) {
  Object.assign(states.get(id), part);
  show(id);
  address(id);
}

function readAddress() {
  const [id, text] = decodeURI(location.hash.slice(1)).split("?");
  if (!tables.has(id)) return;
  if (text !== undefined) {
    const query = new URLSearchParams(text);
    const keys = headsOf(tables.get(id)).map((head) => head.dataset.key);
    states.set(id, {
      sort: keys.includes(query.get("sort")) ? query.get("sort") : "",
      order: query.get("order") === "desc" ? "desc" : "asc",
      filter: query.get("filter") ?? "",
      hide: (query.get("hide") ?? "").split(",").filter((key) => keys.includes(key)),
    });
    show(id);
  }
  for (let up = tables.get(id).closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
  toolsOf(id).scrollIntoView();
}

for (const [id, table] of tables) {
  headsOf(table).forEach((head) => head.querySelector("button").addEventListener("click", () => {
    const { sort, order } = states.get(id), key = head.dataset.key;
    if (sort !== key) change(id, { sort: key, order: "asc" });
    else if (order === "asc") change(id, { order: "desc" });
    else change(id, { sort: "", order: "asc" });
  }));
  const tools = toolsOf(id);
  tools.querySelector("input[type=search]").addEventListener("input", (event) => change(id, { filter: event.target.value.trim() }));
  tools.querySelector(".columns").addEventListener("change", () => {
    const boxes = [...tools.querySelectorAll("input[type=checkbox]")];
    change(id, { hide: boxes.filter((box) => !box.checked).map((box) => box.dataset.key) });
  });
  tools.querySelector(".reset").addEventListener("click", () => change(id, { sort: "", order: "asc", filter: "", hide: [] }));
  rove(table);
}
window.addEventListener("hashchange", readAddress);

// Numbers: one of a table is reached by Tab, the others by the arrow keys; each says where it comes from.
const panel = document.getElementById("panel");
let pinned = null;

function rove(table, chosen) {
  const numbers = numbersOf(table);
  const kept = chosen ?? numbers.find((one) => one.tabIndex === 0) ?? numbers[0];
  for (const one of table.querySelectorAll("button.n")) one.tabIndex = one === kept ? 0 : -1;
}

function neighbour(button, key) {
  const cell = button.closest("td, th"), row = cell.parentElement;
  const along = (row, place, step) => {
    for (let i = place; i >= 0 && i < row.cells.length; i += step) {
      const found = row.cells[i].classList.contains("off") ? null : row.cells[i].querySelector("button.n");
      if (found) return found;
    }
    return null;
  };
  if (key === "ArrowLeft") return along(row, cell.cellIndex - 1, -1);
  if (key === "ArrowRight") return along(row, cell.cellIndex + 1, 1);
  if (key === "Home") return along(row, 0, 1);
  if (key === "End") return along(row, row.cells.length - 1, -1);
  const step = key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling";
  for (let other = row[step]; other; other = other[step]) {
    const found = other.classList.contains("off") ? null : other.cells[cell.cellIndex].querySelector("button.n");
    if (found) return found;
  }
  return null;
}

function describe(button) {
  const number = facts.numbers[button.dataset.d], origin = facts.origins[number.origin];
  const unknown = "not recorded";
  const lines = [
    ["value", number.value],
    ["the paper's", number.paper],
    ["seeds", number.seeds ?? (origin.seeds.join(", ") || unknown)],
    ["95 % interval", number.interval ? `${number.interval[0]} to ${number.interval[1]}` : "none: one training"],
    ["std over seeds", number.spread],
    ["p, after Holm", number.p],
    ["images", number.n],
    ["features of", number.extractor],
    ["cell", origin.keys.join(", ") || unknown],
    ["commit", origin.commit],
    ["run", origin.run],
    ["made", origin.made],
    ["file", number.source],
  ].filter(([, value]) => value !== undefined && value !== null);
  document.querySelectorAll("button.n.shown").forEach((one) => one.classList.remove("shown"));
  button.classList.add("shown");
  const title = document.createElement("h2"), list = document.createElement("dl"), close = document.createElement("button");
  title.textContent = number.name;
  for (const [name, value] of lines) {
    list.append(Object.assign(document.createElement("dt"), { textContent: name }));
    list.append(Object.assign(document.createElement("dd"), { textContent: value }));
  }
  Object.assign(close, { type: "button", textContent: "×", ariaLabel: "Close" }).addEventListener("click", hide);
  panel.replaceChildren(title, close, list);
  panel.hidden = false;
}

function hide() {
  pinned = null;
  panel.hidden = true;
  document.querySelectorAll("button.n.shown").forEach((one) => one.classList.remove("shown"));
}

const numberAt = (event) => (event.target instanceof Element ? event.target.closest("button.n") : null);
document.addEventListener("mouseover", (event) => { const one = numberAt(event); if (one && !pinned) describe(one); });
document.addEventListener("mouseout", (event) => { if (numberAt(event) && !pinned && !numberAt(event).matches(":focus")) hide(); });
document.addEventListener("focusin", (event) => {
  const one = numberAt(event);
  if (one) { rove(one.closest("table"), one); describe(one); } else if (!panel.contains(event.target) && !pinned) hide();
});
document.addEventListener("click", (event) => { const one = numberAt(event); if (one) { pinned = one; describe(one); } });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden) hide();
  const one = numberAt(event);
  if (!one || !["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
  const next = neighbour(one, event.key);
  if (next) { event.preventDefault(); pinned = null; next.focus(); }
});

// Pictures open large, each of their pixels a whole number of the screen's.
const viewer = document.getElementById("viewer");
document.addEventListener("click", (event) => {
  const opener = event.target instanceof Element ? event.target.closest("button.open") : null;
  if (!opener) return;
  const small = opener.querySelector("img"), large = viewer.querySelector("img");
  large.src = small.src;
  large.alt = small.alt;
  const grid = small.classList.contains("pixel");
  const factor = grid ? Math.max(4, Math.floor((innerWidth * 0.92) / small.naturalWidth)) : 1;
  large.style.width = `${factor * small.naturalWidth}px`;
  large.style.imageRendering = grid ? "pixelated" : "auto";
  viewer.querySelector("p").textContent = small.alt;
  viewer.showModal();
});
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });

// Light, dark, or as the system has it.
const themes = ["automatic", "light", "dark"], toggle = document.getElementById("theme");
function paint(theme) {
  document.documentElement.dataset.theme = theme === "automatic" ? "" : theme;
  toggle.textContent = `Theme: ${theme}`;
}
let theme = "automatic";
try { theme = themes.find((one) => one === localStorage.getItem("theme")) ?? theme; } catch { /* no storage */ }
paint(theme);
toggle.addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  paint(theme);
  try { localStorage.setItem("theme", theme); } catch { /* no storage */ }
});

// On paper all that is folded is open.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
readAddress();
