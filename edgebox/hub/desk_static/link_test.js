// Tests of links: a press for one, or for all in turn; what came of it in words and figures.

import { clock, data, element, find, say } from "./shared.js";

const results = new Map();
let order = null;
let shown = [];
let running = "";

/** `give`: has the box do a deed. */
export function prepareTests(give) {
  order = give;
  find("link-test-all").addEventListener("click", async () => {
    for (const link of shown) {
      if (!shown.length || !(await run(link))) return;
    }
  });
}

/** The links as they are now: those that can be tested. */
export function offerTests(links) {
  shown = links;
  draw();
}

/** The session is over: nothing of it stays. */
export function clearTests() {
  results.clear();
  shown = [];
  draw();
}

export async function run(link) {
  if (running) return false;
  running = link.name;
  draw();
  const result = await order({ type: "link-test", link: link.name });
  running = "";
  if (result && shown.length) results.set(link.name, result);
  draw();
  return result !== null;
}

/** Nothing else can be tested meanwhile. */
export function isTesting() {
  return running !== "";
}

function draw() {
  find("link-test-all").disabled = isTesting();
  find("link-tests").replaceChildren(
    ...shown
      .filter(({ name }) => name === running || results.has(name))
      .map(({ name, label }) => {
        const isRunning = name === running;
        const row = element("li", isRunning ? say("link-test.running") : words(results.get(name)));
        row.prepend(element("b", `${label || name} `));
        return row;
      }),
  );
}

function words(result) {
  const { why, up, down } = result;
  const said = [losses(result), rtts(result), speed("up", up), speed("down", down)];
  if (result.loss_up === null && [up, down].every((one) => one.bps === null && one.why === why)) {
    said.splice(0, said.length, say("link-test.nothing", { why: say(`link-test.why.${why}`) }));
  }
  if (result.carried_bytes) {
    said.push(say("link-test.took", { size: number(result.carried_bytes / 1e6, 1) }));
  }
  return [clock(result.at_utc), ...said.filter(Boolean)].join(". ");
}

function losses(result) {
  const why = result.why ? say(`link-test.why.${result.why}`) : "";
  if (result.loss_up === null) return say("link-test.no-losses", { why });
  const said = say("link-test.losses", {
    up: number(100 * result.loss_up, 1),
    down: number(100 * result.loss_down, 1),
    probes: result.probes,
  });
  return why ? `${said} (${why})` : said;
}

function rtts(result) {
  if (result.rtt_p50_ms === null) return "";
  return say("link-test.rtt", {
    p50: number(result.rtt_p50_ms, 0),
    p95: number(result.rtt_p95_ms, 0),
    jitter: number(result.jitter_ms, 1),
  });
}

function speed(way, { bps, at_least, why }) {
  const reason = why ? say(`link-test.why.${why}`) : "";
  if (bps === null) return say(`link-test.no-${way}`, { why: reason });
  const rate = number(bps / 1e6, 2);
  const said = say(at_least ? `link-test.least-${way}` : `link-test.${way}`, { rate });
  return reason ? `${said} (${reason})` : said;
}

function number(value, digits) {
  return value.toLocaleString(data.language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
