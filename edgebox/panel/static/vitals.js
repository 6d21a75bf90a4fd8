// The patient monitors: a tile with the first values, and a pane with as many as there is room for.

import { find, say, setText } from "./page.js";
import { preparePane } from "./panes.js";

const ON_TILE = 4; // columns
const IN_PANE = 12; // places

/** Wire the pane. */
export function prepareVitals() {
  if (find("vitals-tile")) preparePane("vitals", "vitals-tile");
}

/** Draw what the state says of the monitors. */
export function drawVitals(vitals) {
  if (!vitals || !find("vitals-tile")) return;
  const { silent, trouble, demo, store } = vitals;
  // What matters most beside the values: the pane has all of it.
  const beside = [demo, trouble].filter(Boolean).join(" · ") || store;
  drawTile(silent ? [] : vitals.values, silent ? trouble : "", silent ? "" : beside);
  setText(find("vitals-sources"), vitals.sources);
  setText(find("vitals-demo"), vitals.demo);
  setText(find("vitals-clock"), vitals.clock);
  setText(find("vitals-trouble"), vitals.trouble);
  setText(find("vitals-store"), vitals.store);
  const shown = fitting(vitals.values, IN_PANE);
  drawValues(find("vitals-values"), shown);
  const more = vitals.values.length - shown.length;
  const alarms = vitals.alarms.length ? `${say("vitals.alarms")} ${vitals.alarms.join(" ")}` : "";
  const rest = more > 0 ? say("vitals.more").replace("{count}", more) : "";
  setText(find("vitals-alarms"), [rest, alarms].filter(Boolean).join(" "));
}

/** Nothing has been heard of the panel's own server: no value may look like news. */
export function drawVitalsLost(words) {
  if (!find("vitals-tile")) return;
  drawTile([], words, "");
  drawValues(find("vitals-values"), []);
  setText(find("vitals-trouble"), words);
  for (const id of ["vitals-alarms", "vitals-clock", "vitals-store"]) setText(find(id), "");
}

function drawTile(values, words, demo) {
  const tile = find("vitals-tile");
  drawValues(tile.querySelector(".values"), fitting(values, ON_TILE));
  setText(tile.querySelector(".words"), words);
  setText(tile.querySelector(".demo"), demo);
}

/** The first ones that so many places take: a blood pressure takes two. */
function fitting(values, places) {
  let free = places;
  const end = values.findIndex(({ wide }) => (free -= wide ? 2 : 1) < 0);
  return end < 0 ? values : values.slice(0, end);
}

/** Cells stay in place; only what differs is changed. */
function drawValues(place, values) {
  while (place.children.length > values.length) place.lastElementChild.remove();
  values.forEach((value, index) => {
    const cell = place.children[index] ?? place.appendChild(makeCell());
    cell.dataset.standing = value.standing;
    cell.classList.toggle("wide", value.wide);
    for (const name of ["name", "value", "unit", "now"]) {
      setText(cell.querySelector(`.${name}`), value[name]);
    }
  });
}

function makeCell() {
  const cell = document.createElement("span");
  cell.className = "vital";
  for (const name of ["name", "value", "unit", "now"]) {
    const part = document.createElement("span");
    part.className = name;
    cell.append(part);
  }
  return cell;
}
