// What the page says: one title, one line of detail and a tone, worked out from everything known.

import { clock, list, say } from "./words.js";

const FLOWING_MS = 1000;
const STILLS_MS = 12_000; // between two stills there is nothing to worry about
const WORSE_MS = 2000; // slow for this long is called weak
const BETTER_MS = 3000; // and not slow for this long is called live again
const OFFLINE_MS = 1500; // a connection to the hub that is back within this is not worth a word
const WEAK = new Set(["few-frames", "stills"]);
const GUIDING = new Set(["reduced", "main-only", "few-frames", "stills", "sound-only"]);

const describe = (tone, name, values = {}, detail = `state.${name}.detail`) => ({
  name,
  tone,
  title: say(`state.${name}`, values),
  detail: say(detail, values),
});

// ended: reason or null. lacks: what the browser lacks or null. socket: Socket. watch: Watch.
export function situation({ state, ended, lacks, socket, watch }) {
  if (ended) return describe("end", ended);
  if (lacks) return describe("warn", "unsupported", {}, `state.unsupported.${lacks}`);
  const flow = flowing(state, watch);
  if (flow) return flow;
  if (socket.downSince !== null && Date.now() - socket.downSince > OFFLINE_MS) {
    return describe("warn", "hub", { time: clock(socket.downSince) });
  }
  const { you } = state;
  if (!you.admitted) return describe("wait", "admission", { name: you.name });
  if (!gives(you.gets)) {
    return describe("calm", "restricted", { role: say(`role.${you.role}`) });
  }
  return missing(state, watch);
}

const gives = (gets) => gets.sees || gets.hears || gets.speaks || gets.shows;

// What is said while something comes in as it should; null otherwise.
function flowing(state, watch) {
  if (!state.you.admitted || state.session !== "live") return null;
  const now = performance.now();
  const { gets } = state.you;
  const shown = gets.sees && !state.hidden ? watch.lastFrameAt() : null;
  const patience = state.sending.level === "stills" ? STILLS_MS : FLOWING_MS;
  if (shown !== null && now - shown < patience) return withPictures(state, watch);
  if (!watch.isConnected) return null;
  if (gets.sees) return withoutPictures(state);
  if (gets.shows) return describe(...showing(state));
  return describe("live", "talking");
}

function withPictures(state, watch) {
  const live = state.cameras.filter((camera) => camera.state === "live");
  const sent = live.length ? live : state.cameras;
  const main = live[0];
  const stream = watch.streams().find((one) => one.camera === main?.id);
  const slow = main && stream && stream.fps > 0 && stream.fps < main.fps / 2;
  const weak = steadily(slow) || WEAK.has(state.sending.level);
  const cameras = list(sent.map((camera) => camera.name));
  const made = describe(weak ? "weak" : "live", weak ? "weak" : "live", { cameras });
  const words = sending(state);
  return words ? { ...made, detail: `${made.detail} ${words}` } : made;
}

// Sound goes on, pictures do not, and that is as it should be.
function withoutPictures(state) {
  const { hears } = state.you.gets;
  if (state.hidden) return describe("calm", "hidden", {}, `state.hidden.${hears ? "sound" : "wait"}`);
  if (state.sending.level === "sound-only" && hears) return describe("weak", "soundonly");
  return null;
}

function showing(state) {
  const me = state.people.find((one) => one.id === state.you.id);
  return me?.shows ? ["live", "showing"] : ["wait", "notshowing"];
}

function missing(state, watch) {
  const { gets } = state.you;
  const lastFrameAt = gets.sees ? watch.lastFrameAt() : null;
  if (state.session === "unknown") return describe("wait", "unknown");
  if (!state.reachable) {
    return describe("warn", "away", { time: clock(state.reachable_since_utc * 1000) });
  }
  const what = gets.sees ? "" : ".sound";
  if (state.session === "idle") return describe("wait", "waiting", {}, `state.waiting.detail${what}`);
  if (state.hidden && gets.sees) return describe("calm", "hidden", {}, "state.hidden.wait");
  if (gets.sees && !state.cameras.length) return describe("warn", "nopicture");
  const dead = state.cameras.every((one) => ["absent", "failed"].includes(one.state));
  if (gets.sees && dead) return describe("warn", "nocamera");
  if (watch.blocked) return describe("warn", "blocked");
  if (lastFrameAt !== null) {
    const time = clock(Date.now() - (performance.now() - lastFrameAt));
    return describe("warn", "reconnecting", { time });
  }
  if (["stopped", "starting"].includes(state.media)) return describe("wait", "starting");
  return describe("wait", "connecting", {}, `state.connecting.detail${what}`);
}

// What is sent at this moment and why it is not all; empty if it is.
export function sending(state) {
  const { level } = state.sending;
  const reason = state.slow ? "own" : state.sending.reason;
  if (!GUIDING.has(level) || state.hidden) return "";
  return [say(`sending.${level}`), reason ? say(`reason.${reason}`) : ""].join(" ").trim();
}

let calledWeak = false;
let otherwiseSince = null;
let judgedAt = 0;

// Words that flicker help nobody.
function steadily(weak) {
  const now = performance.now();
  // Time without a picture is not time with a weak one.
  if (now - judgedAt > FLOWING_MS) otherwiseSince = null;
  judgedAt = now;
  if (Boolean(weak) === calledWeak) otherwiseSince = null;
  else otherwiseSince ??= now;
  if (otherwiseSince !== null && now - otherwiseSince > (calledWeak ? BETTER_MS : WORSE_MS)) {
    calledWeak = !calledWeak;
    otherwiseSince = null;
  }
  return calledWeak;
}
