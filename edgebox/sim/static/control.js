// Shows /links twice a second and posts what is pressed. Rates are differences of two answers.

const EVERY_MS = 500;
const PRESETS = ["start", "good", "weak", "tunnel"];
const CELLS = ["up", "down"];

const words = await (await fetch("/strings")).json();
const language = words.title === "Mobile links" ? "en" : "nb";
const cards = new Map();
let before = new Map();
let beforeMs = 0;

document.documentElement.lang = language;
document.title = words.title;
translate(document);

function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = words[element.dataset.text];
  }
}

function number(value, digits) {
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function rateText(bps) {
  return bps < 999_500 ? `${number(bps / 1e3, 0)} kbit/s` : `${number(bps / 1e6, 1)} Mbit/s`;
}

function limitText({ rate_bps, trace }) {
  return trace ? words.varies : rate_bps ? rateText(rate_bps) : words.unlimited;
}

// The slider is logarithmic: 0 does not limit, 1 to 60 are 10 kbit/s to 100 Mbit/s.
const rateOf = (step) => (step === 0 ? 0 : Math.round(10 ** (4 + (step - 1) * 4 / 59)));
const stepOf = (bps) => (bps === 0 ? 0 : Math.max(1, Math.min(60, Math.round(1 + (Math.log10(bps) - 4) * 59 / 4))));

const SLIDERS = {
  rate_bps: {
    show: (link) => stepOf(link.up.rate_bps),
    text: (step, link) => limitText(link?.up ?? { rate_bps: rateOf(step) }),
    change: (step) => ({ up: { rate_bps: rateOf(step) } }),
  },
  delay_ms: {
    show: (link) => link.up.delay_ms,
    text: (value) => `${number(value, 0)} ms`,
    change: (value) => ({ delay_ms: value }),
  },
  loss: {
    show: (link) => link.up.loss * 100,
    text: (value) => `${number(value, 1)} %`,
    change: (value) => ({ loss: value / 100 }),
  },
};

async function post(name, change) {
  const answer = await fetch(`/links/${encodeURIComponent(name)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(change),
  });
  const link = await answer.json();
  if (answer.ok) {
    showState(card(link), link);
  } else {
    alert(words.failed + link.error);
  }
}

function card(link) {
  if (cards.has(link.name)) return cards.get(link.name);
  const section = document.getElementById("link").content.cloneNode(true).firstElementChild;
  translate(section);
  section.querySelector("h2").textContent = link.label;
  for (const preset of PRESETS) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words[preset];
    button.dataset.preset = preset;
    button.addEventListener("click", () => post(link.name, { preset }));
    section.querySelector(".presets").append(button);
  }
  section.querySelector("[data-act='cut']").addEventListener("click", () => {
    post(link.name, { cut: !section.classList.contains("cut") });
  });
  section.querySelector("[data-act='cut-down']").addEventListener("click", (event) => {
    post(link.name, { down: { cut: event.currentTarget.getAttribute("aria-pressed") !== "true" } });
  });
  for (const input of section.querySelectorAll("input")) {
    const slider = SLIDERS[input.dataset.set];
    input.addEventListener("input", () => {
      input.nextElementSibling.textContent = slider.text(input.valueAsNumber);
    });
    input.addEventListener("change", () => post(link.name, slider.change(input.valueAsNumber)));
  }
  document.getElementById("links").append(section);
  cards.set(link.name, section);
  return section;
}

function showState(section, link) {
  const { up, down } = link;
  const cut = up.cut && down.cut;
  section.classList.toggle("cut", cut);
  section.classList.toggle("half", up.cut !== down.cut);
  const state = cut ? "isCut" : up.cut ? "isCutUp" : down.cut ? "isCutDown" : "isUp";
  section.querySelector(".state").textContent = words[state];
  section.querySelector("[data-act='cut']").textContent = cut ? words.restore : words.cut;
  const half = section.querySelector("[data-act='cut-down']");
  half.setAttribute("aria-pressed", String(down.cut && !up.cut));
  half.textContent = down.cut && !up.cut ? words.restoreReturn : words.cutReturn;
  half.disabled = up.cut;
  for (const button of section.querySelectorAll("[data-preset]")) {
    button.setAttribute("aria-pressed", String(button.dataset.preset === link.preset));
  }
  for (const input of section.querySelectorAll("input")) {
    if (input.matches(":active")) continue;
    const slider = SLIDERS[input.dataset.set];
    input.value = slider.show(link);
    input.nextElementSibling.textContent = slider.text(input.valueAsNumber, link);
  }
  CELLS.forEach((direction, column) => {
    cell(section, "limit", column).textContent = limitText(link[direction]);
  });
}

function cell(section, row, column) {
  return section.querySelector(`[data-row='${row}']`).querySelectorAll("td")[column];
}

const droppedOf = ({ counters }) => counters.lost + counters.overflowed + counters.cut;

function showFigures(section, link, elapsedS) {
  const earlier = before.get(link.name);
  CELLS.forEach((direction, column) => {
    const lane = link[direction];
    const queue = cell(section, "queue", column);
    queue.textContent = `${number(lane.queued_bytes / 1000, 0)} kB`;
    if (!earlier) return;
    const was = earlier[direction];
    const bytes = lane.counters.passed_bytes - was.counters.passed_bytes;
    const dropped = (droppedOf(lane) - droppedOf(was)) / elapsedS;
    cell(section, "rate", column).textContent = rateText(bytes * 8 / elapsedS);
    const lost = cell(section, "dropped", column);
    lost.textContent = number(dropped, 0) + words.perSecond;
    lost.classList.toggle("some", dropped > 0);
  });
}

async function refresh() {
  const silent = document.getElementById("silent");
  try {
    const { links } = await (await fetch("/links", { signal: AbortSignal.timeout(2000) })).json();
    const nowMs = performance.now();
    for (const link of links) {
      const section = card(link);
      showState(section, link);
      showFigures(section, link, (nowMs - beforeMs) / 1000);
    }
    before = new Map(links.map((link) => [link.name, link]));
    beforeMs = nowMs;
    silent.hidden = true;
  } catch {
    silent.hidden = false;
  }
  setTimeout(refresh, EVERY_MS);
}

refresh();
