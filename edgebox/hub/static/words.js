// What the page says: one title, one line of detail and a tone, worked out from everything known.

const WEAK_BPS = 400_000;
const FLOWING_MS = 1000;
const WORSE_MS = 2000; // weak for this long is called weak
const BETTER_MS = 3000; // and not weak for this long is called live again
const OFFLINE_MS = 1500; // a connection to the hub that is back within this is not worth a word

let texts = {};
let language = "nb";

export function setTexts(all, chosen) {
  texts = all;
  language = chosen;
}

export function say(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function clock(utcMs) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  return new Date(utcMs).toLocaleTimeString(language === "nb" ? "nb-NO" : "en-GB", options);
}

const describe = (tone, name, values = {}, detail = `state.${name}.detail`) => ({
  name,
  tone,
  title: say(`state.${name}`, values),
  detail: say(detail, values),
});

// ended: reason or null. lacks: what the browser lacks or null. socket: Socket. watch: Watch.
export function situation({ state, ended, lacks, socket, watch }) {
  const now = performance.now();
  if (ended) return describe("end", ended);
  const pictures = (state.you.admitted && state.you.gets.sees);
  if (pictures && lacks) {
    return describe("warn", "unsupported", {}, `state.unsupported.${lacks}`);
  }
  const lastFrameAt = watch.lastFrameAt();
  if (lastFrameAt !== null && now - lastFrameAt < FLOWING_MS) return flowing(state, watch);
  if (socket.downSince !== null && Date.now() - socket.downSince > OFFLINE_MS) {
    return describe("warn", "hub", { time: clock(socket.downSince) });
  }
  if (!pictures) return describe("calm", "restricted", { role: say(`role.${state.you.role}`) });
  if (state.session === "unknown") return describe("wait", "unknown");
  if (!state.reachable) {
    return describe("warn", "away", { time: clock(state.reachable_since_utc * 1000) });
  }
  if (state.session === "idle") return describe("wait", "waiting");
  const dead = state.cameras.every((one) => ["absent", "failed"].includes(one.state));
  if (dead) return describe("warn", "nocamera");
  if (watch.blocked) return describe("warn", "blocked");
  if (lastFrameAt !== null) {
    const time = clock(Date.now() - (now - lastFrameAt));
    return describe("warn", "reconnecting", { time });
  }
  if (["stopped", "starting"].includes(state.media)) return describe("wait", "starting");
  return describe("wait", "connecting");
}

function flowing(state, watch) {
  const live = state.cameras.filter((camera) => camera.state === "live");
  const sent = live.length ? live : state.cameras;
  const cameras = sent.map((camera) => camera.name).join(", ");
  const bitrate = live.reduce((sum, camera) => sum + camera.bitrate_bps, 0);
  const main = live[0];
  const stream = watch.streams().find((one) => one.camera === main?.id);
  const slow = main && stream && stream.fps > 0 && stream.fps < main.fps / 2;
  const name = steadily((bitrate > 0 && bitrate < WEAK_BPS) || slow) ? "weak" : "live";
  return describe(name, name, { cameras });
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
