// The remote page: puts socket, connection, devices and view together.
//
// window.edgebox, read-only, for tests and measurements. Times are performance.now(), that is
// milliseconds since the page was asked for:
//   situation     name of what the page says now: admission, waiting, connecting, live, weak,
//                 hidden, soundonly, talking, showing, notshowing, reconnecting, away, hub,
//                 nocamera, nopicture, starting, restricted, unsupported, blocked, unknown, ended,
//                 leaving, left, expired, refused, removed, elsewhere
//   framesDecoded {camera: count of the connection that is shown}
//   lastFrameAt   {camera: time of the newest decoded frame}
//   firstFrameAt  time the first frame of all was decoded, or null
//   main          camera of the large picture
//   parts         {camera: {x, y, size}}: what is seen of each sensor picture, main camera first
//   canGuide      whether the data channel is open and the role guides
//   connected     whether the connection to the box stands
//   soundPackets  packets of sound that came in on the connection in use
//   sentSoundPackets  the same of one's own
//   muted         whether nothing of the microphone is sent
//   offers        how many connections were offered or prepared
//   marks         {script, socket, state}: when the script ran, the socket opened, the first State came
//   attempts      of each connection tried: {gather, start, candidate, offer, answer, ice, frame}

import { Controls } from "./controls.js";
import { $, isTyping, press, write } from "./dom.js";
import { Guide } from "./guide.js";
import { lacking } from "./peer.js";
import { People } from "./people.js";
import { PositionPanel } from "./position.js";
import { Quality } from "./quality.js";
import { situation } from "./situation.js";
import { Socket } from "./socket.js";
import { Sound } from "./sound.js";
import { Still } from "./still.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";
import { Vitals } from "./vitals.js";
import { Watch } from "./watch.js";
import { say, setTexts } from "./words.js";

const TICK_MS = 250;
const START_TICK_MS = 50; // until the first frame
const TOLD_MS = 5000; // a word about something that did not work

const start = JSON.parse(document.getElementById("start").textContent);
setTexts(start.texts, start.language);

const marks = { script: performance.now() };
const { you } = start.state;
const lacks = lacking(you.gets.sees);
const random = crypto.getRandomValues(new Uint8Array(8));
const page = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");

let state = start.state;
let clockOffset_s = state.now_utc - Date.now() / 1000; // the hub's clock minus ours
let ended = null;
let firstFrameAt = null;
let shown = null;
let channelPeer = null;

const socket = new Socket(`${start.page}?page=${page}`, receive, () => {
  if (socket?.isOpen) {
    marks.socket ??= performance.now();
    // Said anew until the hub answers: only then is the way back closed.
    if (ended === "leaving") socket.send({ type: "Leave" });
    if (controls.microphone.on) socket.send({ type: "Muted", muted: false });
  }
  queueMicrotask(refresh);
});
const watch = new Watch(start.ice.servers, lacks, {
  isOnline: () => socket.isOpen,
  send: (message) => socket.send(message),
  changed: () => refresh(),
  said: (data) => vitals.receive(data) || guide.receive(data),
});
const still = new Still();
const tiles = new Map(); // camera -> Tile
const guide = new Guide({
  tell: (message, lossy) => watch.tell(message, lossy),
  tiles,
  me: you.id,
  still,
  changed: () => view.refresh(),
  denied: ({ what, reason }) => tell(say(`denied.${reason}`, { what: say(`denied.what.${what}`) })),
});
const canGuide = () => you.gets.guides && !state.hidden && watch.canTell;
const view = new View({
  tiles,
  guide: () => guide,
  focus: (camera) => canGuide() && guide.focus(camera),
});
const part = (camera) =>
  guide.part(camera, view.cameras.find((one) => one.id === camera)?.part);
const tools = new Tools({
  main: () => view.mainTile,
  guide,
  still,
  part,
  canGuide,
  changed: () => refresh(),
  sent: (what) => tell(say(what === "text" ? "tool.sent" : `tool.sent.${what}`)),
});
const sound = new Sound(() => refresh());
const controls = new Controls({
  you,
  give: (kind, track) => watch.give(kind, track),
  sound,
  muted: (muted) => socket.send({ type: "Muted", muted }),
  leave: () => {
    finish("leaving");
    socket.send({ type: "Leave" });
  },
});
const vitals = new Vitals();
const people = new People();
const quality = new Quality();
const position = you.gets.position ? new PositionPanel() : null;

document.body.dataset.role = you.role;
document.body.classList.toggle("sees", you.gets.sees);
document.body.classList.toggle("guides", you.gets.guides);
$("guide-tools").hidden = !you.gets.guides;
$("keys").hidden = !you.gets.sees || !matchMedia("(hover: hover)").matches;
write($("keys"), say(you.gets.guides ? "keys.guide" : "keys"));
$("position").hidden = position === null;
press($("sound-on"), () => sound.play());
press($("take-over"), () => location.reload());

function receive(message) {
  if (ended && message.type !== "Ended") return;
  switch (message.type) {
    case "State":
      marks.state ??= performance.now();
      clockOffset_s = message.now_utc - Date.now() / 1000;
      state = merged(message);
      watch.setState(state);
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
  sound.end();
  controls.end();
  still.end();
  vitals.clear();
  view.end();
  refresh();
}

// A passing word about something that did not work.
let toldAt = 0;
function tell(text) {
  toldAt = performance.now();
  write($("told"), text);
  $("told").hidden = false;
}

function refresh() {
  shown = situation({ state, ended, lacks, socket, watch });
  view.showSituation(shown, state.vehicle || say("vehicle"));
  $("take-over").hidden = ended !== "elsewhere";
  for (const id of ["people", "facts", "keys", "position"]) if (ended) $(id).hidden = true;
  if (ended) return;
  const stills = state.sending.level === "stills";
  const cameras = state.session === "live" && you.gets.sees ? state.cameras : [];
  view.showPictures(cameras, watch, { hidden: state.hidden, stills });
  people.show(state);
  if (state.session !== "live" || !state.you.admitted) vitals.clear();
  vitals.refresh(view.mainTile?.tile.shown?.stream ?? null);
  if (watch.current !== channelPeer) {
    channelPeer = watch.current;
    guide.reset();
  }
  sound.take(you.gets.hears ? (watch.soundPeer?.soundMedia ?? null) : null);
  $("sound-on").hidden = !sound.blocked;
  showFacts();
  tools.refresh();
  controls.refresh();
  position?.show(state.where, Date.now() / 1000 + clockOffset_s, state.reachable);
  if (performance.now() - toldAt > TOLD_MS) $("told").hidden = true;
}

function showFacts() {
  const on = state.you.admitted && watch.current !== null;
  $("facts").hidden = !on;
  if (!on) return;
  quality.look(watch.current, performance.now());
  if (["away", "reconnecting"].includes(shown.name)) quality.grade = "nothing";
  write($("quality"), quality.words);
  $("quality").dataset.grade = quality.grade;
  write($("encryption"), quality.encryption);
  const by = state.focus_by;
  $("focus-by").hidden = !by || cameras().length < 2;
  write($("focus-by"), say("focus.by", { name: by, camera: cameras()[0]?.name ?? "" }));
}

const cameras = () => (state.session === "live" ? state.cameras : []);

async function tick() {
  if (ended) return;
  await watch.tick();
  if (firstFrameAt === null) {
    const times = watch.streams().map((stream) => stream.firstFrameAt ?? Infinity);
    const first = Math.min(...times);
    if (first < Infinity) firstFrameAt = first;
  }
  refresh();
  setTimeout(tick, watch.next && !watch.current ? START_TICK_MS : TICK_MS);
}

function animate() {
  if (ended) return;
  controls.tick();
  requestAnimationFrame(animate);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || ended || isTyping()) return;
  const isArrow = event.key.startsWith("Arrow");
  if (isArrow && document.activeElement?.closest("button, aside")) return;
  if (you.gets.guides && (isArrow || !event.repeat) && tools.key(event)) event.preventDefault();
  else if (!event.repeat && event.key.toLowerCase() === "m" && you.gets.speaks) {
    controls.toggleMicrophone();
  } else if (!event.repeat) view.key(event);
});

// The state in the page is a moment old and good enough to gather candidates for.
watch.state = state;
if (watch.allowed && start.ice.servers.length) watch.spare = watch.make();
refresh();
tick();
if (you.gets.speaks) animate();

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

function soundPackets(type, field) {
  for (const report of watch.current?.stats?.values() ?? []) {
    if (report.type === type && report.kind === "audio") return report[field] ?? 0;
  }
  return 0;
}

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
  get main() {
    return view.main ?? null;
  },
  get parts() {
    return Object.fromEntries(view.order.map((camera) => [camera, part(camera)]));
  },
  get canGuide() {
    return canGuide();
  },
  get connected() {
    return watch.isConnected;
  },
  get soundPackets() {
    return soundPackets("inbound-rtp", "packetsReceived");
  },
  get sentSoundPackets() {
    return soundPackets("outbound-rtp", "packetsSent");
  },
  get muted() {
    return !controls.microphone.on;
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
