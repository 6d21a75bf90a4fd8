// The picture that is really sent, straight from the media service by WHEP
// (draft-ietf-wish-whep: POST an offer, 201 with the answer). Both ends are this machine: host
// candidates only, no ICE server. What is not moving is never shown as if it were.

import { find, previewBase, say, setText } from "./page.js";

const ANSWER_MS = 4_000;
const GATHER_MS = 500;
const STALLED_MS = 1_000;
const RENEW_MS = 3_000;
const RETRY_MS = [250, 500, 1_000, 2_000];
const CHECK_MS = 250;

const video = find("video");
const words = find("preview-words");

let wanted = "";
let peer = null;
let resource = "";
let attempt = 0;
let retryTimer = 0;
let frameAt = 0;
let sawFrame = false;

/** Show that camera's picture; an empty `camera` shows none. A new `instance` starts anew. */
export function showPreview(camera, instance) {
  const key = camera ? `${camera} ${instance}` : "";
  const known = wanted.split(" ");
  if (key === wanted || (camera === known[0] && !instance)) return;
  wanted = key;
  attempt = 0;
  renew();
}

function renew() {
  clearTimeout(retryTimer);
  drop();
  if (wanted) connect();
}

function drop() {
  if (resource) {
    fetch(resource, { method: "DELETE", keepalive: true }).catch(() => {});
    resource = "";
  }
  peer?.close();
  peer = null;
  video.srcObject = null;
  sawFrame = false;
}

async function connect() {
  const mine = new RTCPeerConnection();
  peer = mine;
  frameAt = performance.now();
  mine.ontrack = (event) => {
    video.srcObject = new MediaStream([event.track]);
    video.play().catch(() => {});
    watchFrames(mine);
  };
  mine.onconnectionstatechange = () => {
    if (mine === peer && ["failed", "closed"].includes(mine.connectionState)) retry();
  };
  try {
    mine.addTransceiver("video", { direction: "recvonly" });
    await mine.setLocalDescription();
    await gathered(mine);
    const url = previewBase + encodeURIComponent(wanted.split(" ")[0]);
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: mine.localDescription.sdp,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (response.status !== 201) throw new Error(`WHEP answered ${response.status}`);
    const place = response.headers.get("Location");
    const sdp = await response.text();
    if (mine !== peer) return;
    if (place) resource = new URL(place, url).href;
    await mine.setRemoteDescription({ type: "answer", sdp });
  } catch {
    if (mine === peer) retry();
  }
}

function retry() {
  drop();
  clearTimeout(retryTimer);
  retryTimer = setTimeout(renew, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
  attempt += 1;
}

function gathered(mine) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    const check = () => {
      if (mine.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    };
    mine.onicegatheringstatechange = check;
    check();
  });
}

function watchFrames(mine) {
  const seen = () => {
    if (mine !== peer) return;
    frameAt = performance.now();
    sawFrame = true;
    attempt = 0;
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
}

function check() {
  const silent = performance.now() - frameAt;
  const moving = Boolean(peer) && sawFrame && silent < STALLED_MS;
  video.classList.toggle("moving", moving);
  if (!wanted || moving) {
    setText(words, "");
  } else if (sawFrame) {
    setText(words, say("preview.stalled"));
  } else {
    setText(words, say(attempt > 1 ? "preview.none" : "preview.connecting"));
  }
  if (peer && silent > RENEW_MS && document.visibilityState === "visible") retry();
}

setInterval(check, CHECK_MS);
