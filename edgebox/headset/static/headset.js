// The page on headset, phone and tablet: pairs by itself, sends its camera by itself, says who looks,
// lets its wearer hear them.

import { Camera } from "./camera.js";
import { Events } from "./events.js";
import { Listener } from "./listen.js";
import { Marks } from "./marks.js";
import { pair } from "./pair.js";
import { Picture } from "./picture.js";
import { Publisher } from "./publish.js";
import { Scanner } from "./scanner.js";
import { scans, speak } from "./speech.js";

const WHERE_EVERY_MS = 10_000;
const SAID_MS = 60_000;
const OWN = "edgebox-own";
const { texts } = JSON.parse(document.getElementById("start").textContent);
const at = (id) => document.getElementById(id);
const say = (key, values = {}) =>
  (texts[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => unbroken(values[name] ?? ""));
// A call sign is not broken at its hyphen.
const unbroken = (text) => text.replaceAll("-", "\u2011");

// What the wearer asked for; a page that is loaded anew heeds it, too.
const own = { stopped: false, muted: false, quiet: false, ...JSON.parse(sessionStorage.getItem(OWN)) };
let paired = { state: "starting", reason: "", vehicle: "", digits: "", belongs: "" };
let view = null; // newest event of type "view"
let said = null; // newest line that somebody wrote: {by, text}
let saidTimer = 0;
let wakeLock = null;

const camera = new Camera(update);
const pairing = pair(follow);
const bearer = () => pairing.bearer();
const publisher = new Publisher(bearer, update, () => pairing.check());
const listener = new Listener(at("voices"), bearer, update, () => pairing.check());
const events = new Events(bearer, hear);
const marks = new Marks(at("marks"), at("picture"));
const picture = new Picture(at("shown-picture"), update);
const scanner = new Scanner(at("picture"), (text) => pairing.presence(text));

function follow(state) {
  paired = state;
  update();
}

function hear(event) {
  if (event.type === "view") view = event;
  else if (event.type === "text") read(event);
  else if (event.type === "picture") picture.take(event);
  else if (event.type === "ended") restart();
  else if (event.type === "lost") {
    // What was drawn meanwhile is not known; and it may be another network now.
    view = null;
    marks.clear();
    locate();
  } else marks.take(event);
  update();
}

// Our sessions have ended, or it is another network.
function restart() {
  publisher.restart();
  listener.restart();
}

// A line for who wears this: shown for a while, or until it is touched.
function read({ by, text }) {
  said = { by, text };
  clearTimeout(saidTimer);
  saidTimer = setTimeout(unread, SAID_MS);
}

function unread() {
  said = null;
  clearTimeout(saidTimer);
  update();
}

// Everything that is shown and done follows from pairing, the camera and what the wearer asked for.
function update() {
  const visible = document.visibilityState === "visible";
  const scanning = ["unenrolled", "waiting"].includes(paired.state);
  const sending = paired.state === "paired" && !own.stopped;
  if (visible && (sending || scanning)) camera.open();
  else if ((own.stopped || paired.state === "refused") && camera.stream) camera.close();
  camera.mute(own.muted);
  const preview = at("picture");
  if (preview.srcObject !== camera.stream) preview.srcObject = camera.stream;
  publisher.give(sending && camera.live ? camera.stream : null);
  // The picture comes first; without a camera its wearer still hears.
  if (!sending) listener.want(false);
  else if (publisher.state === "live" || camera.trouble) listener.want(true);
  listener.quiet(own.quiet);
  events.follow(paired.state === "paired");
  scanner.run(scanning && camera.live);
  if (!sending) marks.clear();
  if (paired.state !== "paired") {
    view = said = null;
    picture.close();
  }
  keepAwake(visible && paired.state === "paired");
  show(scanning);
}

function situation() {
  if (paired.state === "refused") return [`refused.${paired.reason}`, { vehicle: paired.belongs }];
  if (paired.state === "waiting" && paired.reason === "code") return ["waiting.code", {}];
  if (paired.state === "unenrolled" && paired.reason === "ticket") return ["unenrolled.ticket", {}];
  if (paired.state !== "paired") return [paired.state, { vehicle: paired.vehicle }];
  if (own.stopped) return ["stopped", {}];
  if (camera.trouble) return [`camera.${camera.trouble}`, {}];
  if (publisher.state !== "live") return ["connecting", {}];
  return ["live", {}];
}

function show(scanning) {
  const [key, values] = situation();
  const known = texts[`${key}.head`] === undefined ? "refused.other" : key;
  document.body.dataset.state = known.split(".")[0];
  at("vehicle").textContent = paired.vehicle || say("title");
  at("digits").textContent = paired.digits ? paired.digits : "";
  at("digits").hidden = !paired.digits;
  at("headline").textContent = say(`${known}.head`, values);
  at("advice").textContent = say(`${known}.advice`, values);
  at("scan").hidden = !scanning;
  at("audience").textContent = audience();
  at("silent").replaceChildren(...silences().map(line));
  at("said").hidden = !said;
  at("shown").hidden = !picture.by;
  at("shown-by").textContent = picture.by ? say("shown.by", { name: picture.by }) : "";
  document.body.classList.toggle("shows", Boolean(picture.by));
  at("said-by").textContent = said ? `${said.by}:` : "";
  at("said-text").textContent = said?.text ?? "";
  showCommands();
}

// Who sees and hears, by name; never more than is true.
function audience() {
  if (paired.state !== "paired" || publisher.state !== "live" || own.stopped) return "";
  if (!view || view.session === "unknown") return say("audience.unknown");
  if (view.session !== "live") return say("audience.idle");
  if (view.hidden) return say("audience.hidden");
  if (!view.sees.length) return say("audience.nobody");
  // What stands on the display then is not what they see of it.
  return say(picture.by ? "audience.camera" : "audience.sees", { names: view.sees.join(", ") });
}

// What is not said or heard because somebody wanted it so.
function silences() {
  if (paired.state !== "paired" || own.stopped) return [];
  const found = [];
  // The vehicle's mute is the larger one: under it nobody hears the microphone either way.
  if (view?.muted) found.push("silent.vehicle");
  else if (own.muted) found.push("silent.own");
  if (own.quiet) found.push("silent.quiet");
  else if (listener.blocked) found.push("silent.blocked");
  return found;
}

function line(key) {
  const made = document.createElement("b");
  made.dataset.silent = key.split(".")[1];
  made.textContent = say(key);
  return made;
}

function commands() {
  if (paired.state !== "paired") return [];
  const { torch, zoom } = camera.offers;
  const found = picture.by ? ["close"] : [];
  found.push(own.stopped ? "start" : "stop");
  if (!own.stopped && camera.stream?.getAudioTracks().length) found.push(own.muted ? "unmute" : "mute");
  if (own.quiet || listener.blocked) found.push("listen");
  else if (listener.state === "live") found.push("quiet");
  if (picture.by) return [...found, "wrong"];
  if (!own.stopped && torch) found.push(camera.torchOn ? "dark" : "torch");
  if (!own.stopped && zoom) found.push("closer", "wider");
  return [...found, "wrong"];
}

const ACTIONS = {
  close: () => picture.close(),
  start: () => (own.stopped = false),
  stop: () => (own.stopped = true),
  mute: () => (own.muted = true),
  unmute: () => (own.muted = false),
  quiet: () => (own.quiet = true),
  listen: () => {
    own.quiet = false;
    listener.play();
  },
  torch: () => camera.torch(),
  dark: () => camera.torch(),
  closer: () => camera.zoom(true),
  wider: () => camera.zoom(false),
  wrong: () => pairing.wrongCar(),
};

let shown = "";
function showCommands() {
  const wanted = commands();
  if (wanted.join() === shown) return;
  shown = wanted.join();
  at("commands").replaceChildren(
    ...wanted.map((name) => {
      const button = document.createElement("button");
      button.dataset.command = name;
      speak(button, say(`command.${name}`));
      button.onclick = () => {
        ACTIONS[name]();
        sessionStorage.setItem(OWN, JSON.stringify(own));
        update();
      };
      return button;
    }),
  );
}

// A page that is not looked at for long is put to sleep by the system, and its camera with it.
async function keepAwake(wanted) {
  if (!wanted || wakeLock || !navigator.wakeLock) return;
  wakeLock = {};
  wakeLock = await navigator.wakeLock.request("screen").catch(() => null);
  wakeLock?.addEventListener("release", () => {
    wakeLock = null;
  });
}

// After sleep, on another network, worn again: nobody tells more than that something changed.
function awake() {
  update();
  if (document.visibilityState !== "visible") return;
  publisher.check();
  listener.check();
}

// From outside the vehicle: is it in reach again? The name leads to the box then.
let where = "";
async function locate() {
  const found = await fetch("/where", { cache: "no-store" })
    .then((response) => (response.ok ? response.text() : ""))
    .catch(() => "");
  if (found && where && found !== where) restart();
  where = found || where;
}

for (const kind of ["visibilitychange", "resume"]) document.addEventListener(kind, awake);
for (const kind of ["pageshow", "online", "focus"]) addEventListener(kind, awake);
navigator.connection?.addEventListener?.("change", awake);
setInterval(locate, WHERE_EVERY_MS);
locate();

at("said").addEventListener("click", unread);
at("shown").addEventListener("click", () => picture.close());
// A browser that lets nothing be heard without a touch has one now.
addEventListener("click", () => listener.blocked && listener.play());
scans(at("code"), say("scan"));
speak(at("send"), say("command.send"));
at("code").addEventListener("input", () => {
  // The headset's scanner fills the field at once; a hand types one letter after the other.
  if (at("code").value.length > 20) at("scan").requestSubmit();
});
at("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  if (at("code").value) pairing.presence(at("code").value.trim());
  at("code").value = "";
});

window.headset = { camera, publisher, listener, events, picture }; // for tests and the technician's console
update();
