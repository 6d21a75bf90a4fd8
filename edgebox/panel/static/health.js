// The self-test: a tile in the banner, which tests at the tap, and a pane with what was found.

import { ask } from "./ask.js";
import { find, setText } from "./page.js";
import { preparePane } from "./panes.js";
import { onTap } from "./tap.js";

/** Wire tile and pane. */
export function prepareHealth() {
  preparePane("health", "health", test);
  onTap(find("health-run"), test);
}

/** Draw what the state says of the last test. */
export function drawHealth(health) {
  find("health").dataset.look = health.look;
  find("health-pane").dataset.look = health.look;
  find("health-run").classList.toggle("asked", health.running);
  setText(find("health").querySelector(".word"), health.word);
  setText(find("health").querySelector(".at"), health.short);
  setText(find("health-word"), health.word);
  setText(find("health-text"), health.text);
  setText(find("health-at"), health.at);
  setText(find("health-rest"), health.rest);
  drawFound(health.found);
}

/** Nothing has been heard of the panel's own server: no result may look like news. */
export function drawHealthLost(words) {
  drawHealth({
    look: "untested", word: "?", short: "", text: words, at: "", rest: "", found: [], running: false,
  });
}

async function test() {
  if (find("health-run").classList.contains("asked")) return;
  find("health-run").classList.add("asked");
  const begun = await ask("/self-test", {});
  if (!begun) find("health-run").classList.remove("asked");
}

function drawFound(found) {
  const place = find("health-found");
  const key = JSON.stringify(found);
  if (place.dataset.drawn === key) return;
  place.dataset.drawn = key;
  place.replaceChildren(...found.map(makeRow));
}

function makeRow(one) {
  const row = document.createElement("p");
  row.className = `finding ${one.grade}`;
  for (const [kind, name] of [["b", "text"], ["span", "todo"], ["code", "code"]]) {
    const part = document.createElement(kind);
    part.textContent = one[name];
    row.append(part);
  }
  return row;
}
