// Keeps pictures coming: decides when a connection to the box is made, replaced or given up.
//
// `current` shows pictures. `next` is on its way; it takes over with its first frame, so the last
// picture stays until there is a newer one. `spare` has its offer ready while the ambulance has not
// started. A connection is replaced when media in the ambulance was restarted, when other cameras
// are sent, and when frames stop although the ambulance can be reached.

import { Peer } from "./peer.js";

const STALL_MS = 2000; // no frame of any picture
const LAG_MS = 6000; // no frame of one picture while others go on
const SHAKY_MS = 1000; // no frame while ICE says disconnected
const FIRST_FRAME_MS = 4000; // from answer to first frame
const ANSWER_MS = [2000, 3000, 4000, 6500];
const BACKOFF_MS = [0, 300, 600, 1000, 2000, 3000];
const SPARE_MS = 30_000; // relay allocations of an unused offer are renewed after this
const SETTLED_MS = 5000; // pictures for this long: the next trouble starts without back-off
const SECTIONS_MAX = 8;
const PRODUCING = new Set(["starting", "ready", "live"]);

export class Watch {
  // isOnline(): whether the hub is connected. send(message): to it, false if it is not.
  // changed(): streams came or went.
  constructor(servers, isOnline, send, changed) {
    this.servers = servers;
    this.isOnline = isOnline;
    this.send = send;
    this.changed = changed;
    this.state = null;
    this.current = null;
    this.next = null;
    this.spare = null;
    this.offers = 0;
    this.failures = 0;
    this.retryAt = 0;
    this.iceFailures = 0;
    this.attempts = [];
  }

  get wanted() {
    const state = this.state;
    return Boolean(
      state?.session === "live" &&
        (state.you.admitted && state.you.gets.sees) &&
        state.cameras.some((camera) => PRODUCING.has(camera.state)),
    );
  }

  setState(state) {
    this.state = state;
    if (!state.you.admitted || !state.you.gets.sees) return;
    if (state.session === "idle") this.stop();
    if (this.next?.instance && this.next.instance !== state.instance) this.drop("next");
    this.act();
  }

  // The pictures to show: those of the newest connection that has any.
  streams() {
    return this.current?.streams ?? [];
  }

  // Connections whose pictures may still be waited for or shown.
  connections() {
    return [this.current, this.next].filter((peer) => peer !== null);
  }

  // Camera -> newest stream of it and the connection that carries it.
  newestStreams() {
    const found = new Map();
    for (const peer of this.connections()) {
      for (const stream of peer.streams) found.set(stream.camera, { stream, peer });
    }
    return found;
  }

  lastFrameAt() {
    const cameras = new Set((this.state?.cameras ?? []).map((camera) => camera.id));
    return this.current?.lastFrameAt(cameras) ?? null;
  }

  // Video cannot get through: connections fail although offers are answered.
  get blocked() {
    return this.iceFailures >= 3;
  }

  make() {
    const sections = Math.min(SECTIONS_MAX, Math.max(1, this.state.camera_count));
    const id = this.offers++;
    return new Peer(id, this.servers, sections, (candidate) =>
      this.send({ type: "Candidate", offer: id, ...candidate }),
    );
  }

  // Everything that follows from the state as it is now; cheap, called often.
  act() {
    const now = performance.now();
    if (!this.wanted) {
      this.prepare(now);
      return;
    }
    if (this.next) {
      this.judgeNext(now);
    }
    const may = this.isOnline() && this.state.reachable && now >= this.retryAt;
    if (!this.next && may && this.trouble(now)) this.connect();
  }

  prepare(now) {
    const you = this.state?.you;
    const waiting = you?.admitted && you.gets.sees && this.state.session !== "live";
    if (!waiting || this.current) return;
    if (this.spare && now - this.spare.madeAt > SPARE_MS) this.drop("spare");
    this.spare ??= this.make();
  }

  // Why a new connection is due, or null.
  trouble(now) {
    const peer = this.current;
    if (!peer) return "none";
    if (peer.instance !== this.state.instance) return "restarted";
    const carried = new Set(peer.streams.map((stream) => stream.camera));
    const sent = this.state.cameras.filter((camera) => PRODUCING.has(camera.state));
    // Once for each choice of cameras: the box may carry fewer than it names.
    const missing = sent.some((camera) => !carried.has(camera.id));
    if (missing && peer.cameras !== this.cameras()) return "cameras";
    if (peer.failed) return "failed";
    const live = new Set(sent.filter((one) => one.state === "live").map((one) => one.id));
    if (!live.size) return null;
    const silence = now - Math.max(peer.lastFrameAt(live) ?? 0, peer.shownAt);
    if (silence > STALL_MS) return "stalled";
    if (silence > SHAKY_MS && peer.shaky) return "shaky";
    const lags = peer.streams.some(
      (stream) =>
        live.has(stream.camera) && now - Math.max(stream.lastFrameAt ?? 0, peer.shownAt) > LAG_MS,
    );
    return lags ? "lagging" : null;
  }

  // Which cameras are sent, in any order.
  cameras() {
    return this.state.cameras
      .filter((camera) => PRODUCING.has(camera.state))
      .map((camera) => camera.id)
      .sort()
      .join(" ");
  }

  async connect() {
    const spare = this.spare;
    const pictures = Math.min(this.state.cameras.length, SECTIONS_MAX);
    const fits = spare && !spare.failed && spare.sections >= pictures;
    const peer = fits ? spare : this.make();
    if (fits) this.spare = null;
    else this.drop("spare");
    this.next = peer;
    peer.startedAt = performance.now();
    peer.mark("start");
    this.attempts.push(peer.marks);
    if (this.attempts.length > 20) this.attempts.shift();
    let sdp;
    try {
      sdp = await peer.offer();
    } catch {
      if (this.next === peer) this.fail();
      return;
    }
    if (this.next !== peer) return;
    peer.instance = this.state.instance;
    peer.cameras = this.cameras();
    if (!this.send({ type: "Offer", id: peer.id, sdp })) this.fail();
  }

  judgeNext(now) {
    const peer = this.next;
    const patience = ANSWER_MS[Math.min(this.failures, ANSWER_MS.length - 1)];
    if (peer.failed) {
      this.iceFailures += 1;
      this.fail();
    } else if (!peer.answered && now - peer.startedAt > patience) {
      this.fail();
    } else if (peer.answered && now - peer.marks.answer > FIRST_FRAME_MS) {
      if (peer.marks.ice === undefined) this.iceFailures += 1;
      this.fail();
    }
  }

  fail() {
    this.failures += 1;
    this.retryAt = performance.now() + BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)];
    this.drop("next");
    this.changed();
  }

  async handleAnswer({ offer, sdp, streams }) {
    const peer = this.next;
    if (peer?.id !== offer) return;
    try {
      await peer.accept(sdp, streams);
    } catch {
      if (this.next === peer) this.fail();
      return;
    }
    this.changed();
  }

  handleRefused({ offer }) {
    if (this.next?.id === offer) this.fail();
  }

  // A frame of `peer` was decoded or shown.
  sawFrame(peer) {
    peer.mark("frame");
    if (peer !== this.next) return;
    const old = this.current;
    this.current = peer;
    this.next = null;
    peer.shownAt = performance.now();
    this.iceFailures = 0;
    this.changed();
    old?.close();
  }

  // Called some times a second.
  async tick() {
    const now = performance.now();
    await Promise.all(this.connections().map((peer) => peer.poll(now)));
    for (const peer of this.connections()) {
      if (peer.streams.some((stream) => stream.firstFrameAt !== null)) this.sawFrame(peer);
    }
    const shownAt = this.current?.shownAt;
    if (shownAt && now - shownAt > SETTLED_MS && !this.next && now - this.lastFrameAt() < 500) {
      this.failures = 0;
    }
    this.act();
  }

  stop() {
    this.drop("current");
    this.drop("next");
    this.failures = 0;
    this.retryAt = 0;
    this.changed();
  }

  end() {
    this.stop();
    this.drop("spare");
  }

  drop(which) {
    this[which]?.close();
    this[which] = null;
  }
}
