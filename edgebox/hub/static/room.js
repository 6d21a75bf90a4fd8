// The remote page: puts socket, connection and view together.
//
// window.edgebox, read-only, for tests and measurements. Times are performance.now(), that is
// milliseconds since the page was asked for:
//   situation     name of what the page says now: waiting, connecting, live, weak, reconnecting,
//                 away, hub, nocamera, starting, restricted, unsupported, blocked, unknown,
//                 ended, leaving, left, expired, pages
//   framesDecoded {camera: count of the connection that is shown}
//   lastFrameAt   {camera: time of the newest decoded frame}
//   firstFrameAt  time the first frame of all was decoded, or null
//   offers        how many connections were offered or prepared
//   marks         {script, socket, state}: when the script ran, the socket opened, the first State came
//   attempts      of each connection tried: {gather, start, candidate, offer, answer, ice, frame}

import { lacking } from "./peer.js";
import { Socket } from "./socket.js";
import { View } from "./view.js";
import { Watch } from "./watch.js";
import { say, setTexts, situation } from "./words.js";

const TICK_MS = 250;
const START_TICK_MS = 50; // until the first frame

const start = JSON.parse(document.getElementById("start").textContent);
setTexts(start.texts, start.language);

const marks = { script: performance.now() };
const lacks = start.state.you.gets.sees ? lacking() : null;
const random = crypto.getRandomValues(new Uint8Array(8));
const page = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");

let state = start.state;
let ended = null;
let firstFrameAt = null;
let shown = null;

const view = new View(() => {
  finish("leaving");
  socket.send({ type: "Leave" });
});
const socket = new Socket(`${start.page}?page=${page}`, receive, () => {
  if (socket?.isOpen) {
    marks.socket ??= performance.now();
    // Said anew until the hub answers: only then is the way back closed.
    if (ended === "leaving") socket.send({ type: "Leave" });
  }
  queueMicrotask(refresh);
});
const watch = new Watch(
  start.ice.servers,
  () => socket.isOpen,
  (message) => socket.send(message),
  refresh,
);
view.repaint = refresh;

function receive(message) {
  if (ended && message.type !== "Ended") return;
  switch (message.type) {
    case "State":
      marks.state ??= performance.now();
      state = merged(message);
      if (!lacks) watch.setState(state);
      refresh();
      break;
    case "IceServers":
      watch.servers = message.servers;
      break;
    case "Answer":
      watch.handleAnswer(message);
      break;
    case "Refused":
      watch.handleRefused(message);
      break;
    case "Ended":
      finish(ended === "leaving" ? "left" : message.reason);
      break;
  }
}

// A hub that was restarted has not heard of the ambulance yet: what it said before still holds.
function merged(message) {
  if (message.session !== "unknown") return message;
  const { now_utc, reachable, reachable_since_utc } = message;
  return { ...state, now_utc, reachable, reachable_since_utc };
}

function finish(reason) {
  ended = reason;
  if (ended !== "leaving") socket.end();
  watch.end();
  view.end();
  refresh();
}

function refresh() {
  shown = situation({ state, ended, lacks, socket, watch });
  view.showSituation(shown, state.vehicle || say("vehicle"));
  if (ended) return;
  view.showPictures(state.session === "live" ? state.cameras : [], watch);
  view.showPeople(state.people, state.you.id);
}

async function tick() {
  if (ended) return;
  if (!lacks) await watch.tick();
  if (firstFrameAt === null) {
    const times = watch.streams().map((stream) => stream.firstFrameAt ?? Infinity);
    const first = Math.min(...times);
    if (first < Infinity) firstFrameAt = first;
  }
  refresh();
  setTimeout(tick, watch.next && !watch.current ? START_TICK_MS : TICK_MS);
}

// The state in the page is a moment old and good enough to gather candidates for.
if (!lacks) {
  watch.state = state;
  if (state.you.admitted && state.you.gets.sees) watch.spare = watch.make();
}
refresh();
tick();

addEventListener("online", () => socket.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) socket.hurry();
});
// A page kept for "back" would hold its pictures: begin anew instead.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const byCamera = (value) =>
  Object.fromEntries(watch.streams().map((stream) => [stream.camera, value(stream)]));

window.edgebox = Object.freeze({
  get situation() {
    return shown.name;
  },
  get framesDecoded() {
    return byCamera((stream) => stream.frames);
  },
  get lastFrameAt() {
    return byCamera((stream) => stream.lastFrameAt);
  },
  get firstFrameAt() {
    return firstFrameAt;
  },
  get offers() {
    return watch.offers;
  },
  get marks() {
    return { ...marks };
  },
  get attempts() {
    return watch.attempts.map((one) => ({ ...one }));
  },
});
