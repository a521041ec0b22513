"use strict";
// The grid pattern of the WAI-ARIA Authoring Practices: one cell is in the tab order at a time.
const dialog = document.querySelector("dialog");
const grid = [...document.querySelectorAll("tbody tr:not(.group)")].map(
  (row) => [...row.querySelectorAll("td a")],
);
const place = new Map();
grid.forEach((row, r) => row.forEach((cell, c) => place.set(cell, [r, c])));
let current = grid[0][0];
for (const cell of place.keys()) {
  cell.tabIndex = cell === current ? 0 : -1;
  cell.setAttribute("aria-haspopup", "dialog");
}

function focus(cell) {
  current.tabIndex = -1;
  current = cell;
  current.tabIndex = 0;
  current.focus({ preventScroll: true });
  current.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function target(event, r, c) {
  const last = grid.length - 1, end = grid[0].length - 1, whole = event.ctrlKey || event.metaKey;
  switch (event.key) {
    case "ArrowRight": return [r, c + 1];
    case "ArrowLeft": return [r, c - 1];
    case "ArrowDown": return [r + 1, c];
    case "ArrowUp": return [r - 1, c];
    case "PageDown": return [Math.min(r + 10, last), c];
    case "PageUp": return [Math.max(r - 10, 0), c];
    case "Home": return [whole ? 0 : r, 0];
    case "End": return [whole ? last : r, end];
    default: return null;
  }
}

function made(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function open(cell) {
  focus(cell);
  const [about, what] = cell.getAttribute("aria-label").split(": ");
  const heading = made("h2", about), notes = document.createElement("ol");
  heading.id = "about";
  heading.tabIndex = -1;
  heading.autofocus = true;
  for (const number of cell.dataset.notes.split(" ").filter(Boolean)) {
    const note = made("li", document.getElementById("n" + number).textContent);
    note.value = Number(number);
    notes.append(note);
  }
  const close = made("button", "Close");
  close.type = "button";
  close.addEventListener("click", () => dialog.close());
  const most = made("p", `At most: ${what}.`);
  const none = notes.children.length ? notes : made("p", "No rule shows it.");
  dialog.replaceChildren(heading, most, none, close);
  dialog.showModal();
}

document.querySelector("table").addEventListener("keydown", (event) => {
  const cell = event.target.closest("td a");
  if (!cell || event.altKey || event.shiftKey) return;
  if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    open(cell);
    return;
  }
  const to = target(event, ...place.get(cell));
  if (!to) return;
  event.preventDefault();
  const next = grid[to[0]]?.[to[1]];
  if (next) focus(next);
});
document.querySelector("table").addEventListener("click", (event) => {
  const cell = event.target.closest("td a");
  if (!cell || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(cell);
});
