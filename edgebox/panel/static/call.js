// The call with the technician: answered or begun by a tap, and a button that is held to talk. While
// it is held the box is told so again and again; media opens the microphone for that, and closes it
// by itself when nothing more is said. What stands here is media's word.

import { ask, tell } from "./ask.js";
import { play } from "./cues.js";
import { find, say, setText } from "./page.js";
import { showPane } from "./panes.js";
import { onTap } from "./tap.js";

const FRESH_MS = 700;
const BEAT_MS = 300;
const BEAT_TIMEOUT_MS = 900;
const LATE_MS = 2_000;

let session = "";
let latest = { state: "off", microphone: false, ready: false, hold: "" };
let changedAt = 0;
let finger = null; // on the button
let press = "";
let pressedAt = 0;
let beating = 0;
let underWay = false;

export function prepareCall() {
  for (const id of ["call-take", "call-answer"]) {
    const button = find(id);
    onTap(button, () => once(button, take));
  }
  for (const id of ["call-refuse", "call-end"]) {
    const button = find(id);
    onTap(button, () => once(button, () => ask("/support/call/end", {})));
  }
  prepareHold(find("call-hold"));
}

export function drawCall({ id, state, call }) {
  const before = latest.state;
  if (call.state !== before || id !== session) changedAt = performance.now();
  session = id;
  latest = call;
  document.body.dataset.call = state === "active" ? call.state : "off";
  document.body.dataset.mic = call.microphone ? "open" : "shut";
  find("call-hold").setAttribute("aria-disabled", String(!call.ready));
  setText(find("call-end"), say(call.state === "calling" ? "support.cancel" : "support.call.hang-up"));
  if (!call.ready) letGo();
  else if (finger !== null) hold(); // pressed before there was a connection
  drawHold();
  if (call.state === "asked" && before !== "asked") {
    showPane("support");
    play("waits");
  }
}

/** Nothing has been heard: nor does the box hear this page, so it has closed the microphone. */
export function drawCallLost() {
  latest = { ...latest, microphone: false, ready: false };
  document.body.dataset.mic = "shut";
  find("call-hold").setAttribute("aria-disabled", "true");
  letGo();
}

function drawHold() {
  const late = press && !latest.microphone && performance.now() - pressedAt > LATE_MS;
  setText(find("call-hold-label"), late ? say("support.call.again") : latest.hold);
  find("call-hold").classList.toggle("held", press !== "");
}

function take() {
  // A button that has just come takes no tap that was meant for what was there.
  if (performance.now() - changedAt < FRESH_MS) return null;
  return ask("/support/call/take", { id: session });
}

// Held by one finger, or one key; whatever takes either away lets go.
function prepareHold(button) {
  const drop = () => {
    finger = null;
    letGo();
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || finger !== null) return;
    finger = event.pointerId;
    button.setPointerCapture(event.pointerId);
    hold();
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(kind, (event) => {
      if (event.pointerId === finger) drop();
    });
  }
  button.addEventListener("keydown", (event) => {
    if (![" ", "Enter"].includes(event.key) || event.repeat) return;
    finger = "key";
    hold();
  });
  button.addEventListener("keyup", drop);
  button.addEventListener("blur", drop);
  window.addEventListener("blur", drop);
  window.addEventListener("pagehide", drop);
  document.addEventListener("visibilitychange", drop);
}

function hold() {
  if (press || !latest.ready) return;
  const random = crypto.getRandomValues(new Uint8Array(8));
  press = [...random].map((one) => one.toString(16).padStart(2, "0")).join("");
  pressedAt = performance.now();
  beating = setInterval(beat, BEAT_MS);
  send(press, true);
  drawHold();
}

function letGo() {
  if (!press) return;
  clearInterval(beating);
  const over = press;
  press = "";
  send(over, false);
  drawHold();
}

function beat() {
  if (!underWay) send(press, true);
  drawHold();
}

async function send(which, held) {
  underWay = held;
  try {
    const response = await fetch("/support/talk", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id: session, press: which, held }),
      keepalive: true,
      signal: AbortSignal.timeout(BEAT_TIMEOUT_MS),
    });
    const answer = response.ok ? await response.json() : { text: "" };
    if (answer.text && held && which === press) tell(answer.text);
  } catch {
    // Media closes by itself, and the button says so.
  }
  if (held) underWay = false;
}

async function once(button, act) {
  if (button.classList.contains("asked")) return;
  button.classList.add("asked");
  await act();
  button.classList.remove("asked");
}
