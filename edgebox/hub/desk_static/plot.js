// One small plot for each link: round trip as a line, loss and outages as marks below it.

import { element, say } from "./shared.js";

const WIDTH = 720;
const HEIGHT = 90;
const SPACE = "http://www.w3.org/2000/svg";
const GAP_S = 200;

export function drawPlots(place, rows, hours) {
  const names = [...new Set(rows.map((row) => row.name))].sort();
  place.replaceChildren(...names.map((name) => plot(name, rows.filter((row) => row.name === name), hours)));
  if (!rows.length) place.append(element("p", say("history.none"), "quiet"));
}

function plot(name, rows, hours) {
  const end = Date.now() / 1000;
  const x = (utc) => WIDTH * (1 - (end - utc) / (hours * 3600));
  const known = rows.map((row) => row.rtt_ms).filter((rtt) => rtt !== null);
  const top = Math.max(100, ...known);
  const y = (rtt) => HEIGHT - 14 - (rtt / top) * (HEIGHT - 20);
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.setAttribute("aria-label", name);
  const step = (hours * 3600) / Math.max(rows.length, 1);
  let path = "";
  let before = null;
  for (const row of rows) {
    if (row.state !== "up") svg.append(bar(x(row.at_utc), "down"));
    else if (row.loss > 0.02) svg.append(bar(x(row.at_utc), "loss"));
    if (row.rtt_ms === null) {
      before = null;
      continue;
    }
    const joined = before !== null && row.at_utc - before < Math.max(GAP_S, 3 * step);
    path += `${joined ? "L" : "M"}${x(row.at_utc).toFixed(1)} ${y(row.rtt_ms).toFixed(1)}`;
    before = row.at_utc;
  }
  svg.append(make("path", { d: path, class: "rtt" }));
  const figure = element("figure", "", "plot");
  const words = say("history.caption", { name, top: Math.round(top) });
  figure.append(element("figcaption", words), svg);
  return figure;
}

function bar(x, className) {
  return make("rect", { x: x.toFixed(1), y: HEIGHT - 10, width: 2, height: 10, class: className });
}

function make(tag, attributes) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
