// Sounds for what happens while nobody looks: somebody waits, somebody has joined, the connection
// is lost, or is back. Made here, from plain tones; quieter at night.

const GAIN = { day: 0.25, night: 0.06 };
const TONES = {
  waits: [[660, 0.16], [880, 0.16], [660, 0.16], [880, 0.22]],
  joined: [[523, 0.12], [784, 0.2]],
  lost: [[440, 0.25], [330, 0.4]],
  back: [[330, 0.14], [440, 0.14], [660, 0.22]],
};
const EDGE_S = 0.02;

const root = document.documentElement;
let context = null;
let before = null;

/** Sound what has changed since the state before; the first state is no news. */
export function cue(state) {
  const now = {
    guests: new Set(state.guests.map((one) => one.id)),
    people: new Set(
      state.people.filter((one) => one.state === "connected").map((one) => one.id || one.name),
    ),
    calling: state.calling,
    truth: state.truth,
  };
  const then = before;
  if (state.truth === "known" || !before) before = now;
  if (!then || then.truth !== "known" || state.truth !== "known") return;
  if (now.calling === "lost" && then.calling === "up") play("lost");
  else if (now.calling === "up" && then.calling === "lost") play("back");
  else if ([...now.guests].some((id) => !then.guests.has(id))) play("waits");
  else if ([...now.people].some((id) => !then.people.has(id))) play("joined");
}

/** Play one, for instance to let the crew hear that they are on. */
export function play(name) {
  if (root.dataset.cues !== "on") return;
  context ??= new AudioContext();
  context.resume().catch(() => {}); // without a tap so far the browser may stay silent
  const loud = GAIN[root.dataset.theme];
  let at = context.currentTime + EDGE_S;
  for (const [frequency, seconds] of TONES[name]) {
    const tone = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(loud, at + EDGE_S);
    gain.gain.setValueAtTime(loud, at + seconds - EDGE_S);
    gain.gain.linearRampToValueAtTime(0, at + seconds);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + seconds);
    at += seconds;
  }
}
