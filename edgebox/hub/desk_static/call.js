// The call with the crew. This page's voice is heard in the cabin; what the crew says comes while
// they hold their button, and the box sees to that. Relay only: no address of this network leaks.

import { microphone } from "./devices.js";
import { ask, element, find, problem, say } from "./shared.js";
import { Sound } from "./sound.js";

const GATHER_MS = 3_000;
const RETRY_MS = 5_000; // the box takes no more offers
const YOUNG_MS = 15_000;
const LOST_MS = 2_000; // after the five seconds a browser takes to notice

const ASKED_MS = 10_000;
const OFF = { call: "off", callEnded: "", callMicrophone: false };

let path = "";
let order = null;
let box = OFF;
let line = null; // {pc, since, lostAt}: this page's connection
let connecting = false;
let wanted = false; // this page takes part, since its button was pressed
let heard = false; // the box knows
let askedAt = 0;
let triedAt = -RETRY_MS;
let muted = false;
let unsaid = ""; // what is wrong with the microphone

// Another window of this browser took the call over: two would take it from each other for ever.
const others = new BroadcastChannel(`edgebox-call${location.pathname}`);
others.onmessage = () => hangUp();

const sound = new Sound(() => {});
const mouth = microphone({
  give: (track) => line?.pc.getSenders()[0]?.replaceTrack(track).catch(() => {}),
  changed: draw,
});

/** `askBox`: asks the box for a deed. */
export function prepareCall(base, askBox) {
  path = `${base}/call`;
  order = askBox;
  find("call-start").addEventListener("click", start);
  find("call-end").addEventListener("click", () => order({ type: "call-end" }));
  find("call-mute").addEventListener("click", () => {
    muted = !muted;
    if (muted) mouth.switchOff();
    else mouth.switchOn();
  });
  find("call-device").addEventListener("change", (event) => mouth.choose(event.target.value));
  setInterval(watch, 500);
}

/** What the box says of it; `mine`: this technician's session is open. */
export function drawCall(now, mine) {
  box = mine ? now : OFF;
  if (box.call !== "off") heard = wanted;
  if (!mine || (box.call === "off" && heard)) hangUp();
  else if (box.call !== "open") cut();
  else if (wanted && !line) connect();
  draw();
}

async function start() {
  find("call-start").disabled = true;
  unsaid = "";
  muted = false;
  await mouth.switchOn();
  if (mouth.on) {
    wanted = true;
    others.postMessage("mine");
    heard = box.call !== "off";
    askedAt = performance.now();
    listDevices();
    if (box.call === "open") connect();
    else if (!(await order({ type: "call-ask" }))) hangUp();
  } else {
    unsaid = mouth.problem;
    hangUp();
  }
  find("call-start").disabled = false;
  draw();
}

function cut() {
  line?.pc.close();
  line = null;
  sound.take(null);
}

function hangUp() {
  cut();
  wanted = heard = muted = false;
  mouth.switchOff({ release: true });
}

async function connect() {
  if (connecting || performance.now() - triedAt < RETRY_MS) return;
  connecting = true;
  triedAt = performance.now();
  try {
    const given = await ask(`${path}/turn`, {});
    if (given && wanted && box.call === "open") await offer(given.servers);
  } finally {
    connecting = false;
  }
}

async function offer(iceServers) {
  const pc = new RTCPeerConnection({
    iceServers,
    iceTransportPolicy: "relay",
    bundlePolicy: "max-bundle",
  });
  const own = { pc, since: performance.now(), lostAt: 0 };
  cut();
  line = own;
  pc.onconnectionstatechange = draw;
  const both = pc.addTransceiver("audio", { direction: "sendrecv" });
  await pc.setLocalDescription();
  await gathered(pc);
  const answer = await ask(path, { sdp: pc.localDescription.sdp });
  if (line !== own) return;
  if (!answer) {
    cut();
    return;
  }
  problem("");
  await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  sound.take(new MediaStream([both.receiver.track]));
  mouth.give(mouth.on ? mouth.track : null);
  draw();
}

function gathered(pc) {
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
  });
}

// A connection that is gone is made anew, as long as the call is open.
function watch() {
  if (wanted && !heard && performance.now() - askedAt > ASKED_MS) hangUp();
  if (!line) {
    if (box.call === "open" && wanted) connect();
    return;
  }
  const now = performance.now();
  const { connectionState } = line.pc;
  const young = ["new", "connecting"].includes(connectionState) && now - line.since < YOUNG_MS;
  if (connectionState === "connected" || (young && !line.lostAt)) line.lostAt = 0;
  else line.lostAt ||= now;
  if (connectionState === "failed" || (line.lostAt && now - line.lostAt > LOST_MS)) {
    cut();
    draw();
  }
}

async function listDevices() {
  const devices = await mouth.list();
  const select = find("call-device");
  select.replaceChildren(
    ...devices.map((one) => {
      const option = element("option", one.label);
      option.value = one.deviceId;
      option.selected = one.deviceId === mouth.current;
      return option;
    }),
  );
  find("call-devices").hidden = devices.length < 2 || !wanted;
}

function draw() {
  const { call } = box;
  const here = wanted && call === "open";
  find("call-start").hidden = call === "asked" || here;
  find("call-start").textContent = say(
    call === "calling" ? "call.answer" : call === "open" ? "call.connect" : "call.ask",
  );
  find("call-end").hidden = call === "off";
  find("call-mute").hidden = !here;
  find("call-mute").setAttribute("aria-pressed", String(muted));
  if (!here) find("call-devices").hidden = true;
  find("call-part").dataset.call = here && box.callMicrophone ? "heard" : call;
  find("call-text").textContent = words(call);
}

function words(call) {
  const problem = mouth.problem || unsaid;
  if (problem) return say(`call.mic.${problem}`);
  if (call === "off") return say(box.callEnded ? `call.ended.${box.callEnded}` : "call.off");
  if (call !== "open") return say(`call.${call}`);
  if (!wanted) return say("call.elsewhere");
  if (line?.pc.connectionState !== "connected") return say(line ? "call.connecting" : "call.lost");
  if (box.callMicrophone) return say("call.heard");
  return say(muted ? "call.muted" : "call.open");
}
