// Headsets: a card when one asks, has come or was sent away, and a pane with the code that lets one
// of the pool in. The code is here while the pane is open, and nowhere after.

import { ask } from "./ask.js";
import { find, setText } from "./page.js";
import { preparePane, showPane } from "./panes.js";
import { copy, twice } from "./people.js";
import { onTap } from "./tap.js";

const FRESH_MS = 700;
const AGAIN_MS = 3_000;
const ONE_COLUMN = 3;

let timer = 0;
let latest = { here: false, devices: [], card: null, note: "" };

/** Wire the pane. */
export function prepareHeadset() {
  preparePane("headset", "headset-open", showCode, hideCode);
}

/** Draw what the headset service says; the card only where no person waits. */
export function drawHeadset(headset, guests) {
  latest = headset;
  find("headset-open").hidden = !headset.here;
  if (!headset.here && document.body.dataset.pane === "headset") showPane("none");
  if (guests === 0) drawCard(headset.card);
  drawDevices(headset.devices);
  setText(find("headset-note"), headset.note);
}

function drawCard(card) {
  const place = find("guests");
  const key = card ? `headset ${card.device} ${card.state} ${card.digits}` : "";
  if (place.dataset.drawn !== key) {
    place.dataset.drawn = key;
    place.replaceChildren(...(card ? [made(card)] : []));
  }
  document.body.dataset.guests = card ? 1 : 0;
  if (card) fill(place.firstElementChild, card);
}

function made(card) {
  const element = copy("headset-card");
  wire(element, card);
  onTap(element.querySelector(".code"), () => {
    showPane("headset");
    showCode();
  });
  return element;
}

function drawDevices(devices) {
  const place = find("headset-devices");
  const key = devices.map((one) => `${one.device} ${one.state} ${one.digits}`).join(" ");
  if (place.dataset.ids !== key) {
    place.dataset.ids = key;
    place.dataset.many = devices.length > ONE_COLUMN;
    place.replaceChildren(
      ...devices.map((one) => {
        const row = copy("headset-device");
        wire(row, one);
        return row;
      }),
    );
  }
  devices.forEach((one, index) => fill(place.children[index], one));
}

/** A card that has just come takes no tap that was meant for what was there. */
function wire(element, one) {
  const since = performance.now();
  const { device, digits } = one;
  const allow = element.querySelector(".allow");
  onTap(allow, async () => {
    if (performance.now() - since < FRESH_MS || allow.classList.contains("asked")) return;
    allow.classList.add("asked");
    await ask("/headset/allow", { device, digits });
    allow.classList.remove("asked");
  });
  twice(element.querySelector(".wrong"), () => ask("/headset/end", { device }));
  element.dataset.state = one.state;
}

function fill(element, one) {
  setText(element.querySelector(".name"), one.name);
  setText(element.querySelector(".digits"), one.digits);
  setText(element.querySelector(".gets, .text"), one.text);
  element.querySelector(".allow").hidden = one.state !== "asks";
  element.querySelector(".wrong").hidden = one.state !== "paired";
  const code = element.querySelector("button.code");
  if (code) code.hidden = one.state !== "asks";
}

/** The code of now, and the next when its time is over. */
async function showCode() {
  clearTimeout(timer);
  if (document.body.dataset.pane !== "headset") return;
  const answer = latest.here ? await ask("/headset/code", {}) : null;
  if (document.body.dataset.pane !== "headset") return;
  clearTimeout(timer);
  if (answer) {
    const qr = find("headset-qr");
    qr.setAttribute("viewBox", `0 0 ${answer.side} ${answer.side}`);
    find("headset-qr-path").setAttribute("d", answer.path);
    qr.removeAttribute("hidden");
  } else {
    withdraw();
  }
  // Used, it is of no use for the next device: look a little oftener than it changes.
  timer = setTimeout(showCode, answer ? Math.min(AGAIN_MS, answer.seconds * 1000 + 50) : AGAIN_MS);
}

function hideCode() {
  clearTimeout(timer);
  withdraw();
}

function withdraw() {
  find("headset-qr").setAttribute("hidden", "");
  find("headset-qr-path").setAttribute("d", "");
}
