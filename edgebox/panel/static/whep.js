// A picture straight from the media service by WHEP (draft-ietf-wish-whep: POST an offer, 201 with
// the answer). Both ends are this machine: host candidates only, no ICE server. What is not moving
// is never shown as if it were.

import { setText } from "./page.js";

const ANSWER_MS = 4_000;
const GATHER_MS = 500;
const STALLED_MS = 1_000;
const RENEW_MS = 3_000;
const RETRY_MS = [250, 500, 1_000, 2_000];
const CHECK_MS = 250;

/** One picture, fetched again by itself until another or none is wanted. */
export class Picture {
  #video;
  #words;
  #sentences;
  #url = "";
  #key = "";
  #slowMs = 0;
  #peer = null;
  #resource = "";
  #attempt = 0;
  #retryTimer = 0;
  #frameAt = 0;
  #sawFrame = false;

  /** `sentences`: what `words` says while `connecting`, with `none`, and when it `stalled`. */
  constructor(video, words, sentences) {
    this.#video = video;
    this.#words = words;
    this.#sentences = sentences;
    setInterval(() => this.#check(), CHECK_MS);
  }

  /** Show what is at `url`; nothing if that is empty. Another `key` fetches it anew. */
  show(url, key = "") {
    if (url === this.#url && (key === this.#key || !url)) return;
    this.#url = url;
    this.#key = key;
    this.#attempt = 0;
    this.#renew();
  }

  /** Pictures come only every so often on purpose: call none stalled before. */
  expectEvery(milliseconds) {
    this.#slowMs = milliseconds;
  }

  #renew() {
    clearTimeout(this.#retryTimer);
    this.#drop();
    if (this.#url) this.#connect();
  }

  #drop() {
    if (this.#resource) {
      fetch(this.#resource, { method: "DELETE", keepalive: true }).catch(() => {});
      this.#resource = "";
    }
    this.#peer?.close();
    this.#peer = null;
    this.#video.srcObject = null;
    this.#sawFrame = false;
    this.#check();
  }

  async #connect() {
    const mine = new RTCPeerConnection();
    this.#peer = mine;
    this.#frameAt = performance.now();
    mine.ontrack = (event) => {
      this.#video.srcObject = new MediaStream([event.track]);
      this.#video.play().catch(() => {});
      this.#watchFrames(mine);
    };
    mine.onconnectionstatechange = () => {
      const over = ["failed", "closed"].includes(mine.connectionState);
      if (mine === this.#peer && over) this.#retry();
    };
    try {
      mine.addTransceiver("video", { direction: "recvonly" });
      await mine.setLocalDescription();
      await gathered(mine);
      const url = this.#url;
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/sdp" },
        body: mine.localDescription.sdp,
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      if (response.status !== 201) throw new Error(`WHEP answered ${response.status}`);
      const place = response.headers.get("Location");
      const sdp = await response.text();
      if (mine !== this.#peer) return;
      if (place) this.#resource = new URL(place, url).href;
      await mine.setRemoteDescription({ type: "answer", sdp });
    } catch {
      if (mine === this.#peer) this.#retry();
    }
  }

  #retry() {
    this.#drop();
    clearTimeout(this.#retryTimer);
    const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)];
    this.#retryTimer = setTimeout(() => this.#renew(), wait);
    this.#attempt += 1;
  }

  #watchFrames(mine) {
    const seen = () => {
      if (mine !== this.#peer) return;
      this.#frameAt = performance.now();
      this.#sawFrame = true;
      this.#attempt = 0;
      this.#video.requestVideoFrameCallback(seen);
    };
    this.#video.requestVideoFrameCallback(seen);
  }

  #check() {
    const silent = performance.now() - this.#frameAt;
    const patience = Math.max(STALLED_MS, this.#slowMs);
    const moving = Boolean(this.#peer) && this.#sawFrame && silent < patience;
    this.#video.classList.toggle("moving", moving);
    if (!this.#url || moving) {
      setText(this.#words, "");
    } else if (this.#sawFrame) {
      setText(this.#words, this.#sentences.stalled);
    } else {
      const tried = this.#attempt > 1;
      setText(this.#words, tried ? this.#sentences.none : this.#sentences.connecting);
    }
    const visible = document.visibilityState === "visible";
    if (this.#peer && silent > Math.max(RENEW_MS, this.#slowMs) && visible) this.#retry();
  }
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
