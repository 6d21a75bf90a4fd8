// Keeps the connection to the box: decides when one is made, replaced or given up.
//
// `current` shows pictures and plays sound. `next` is on its way; it takes over with its first
// frame, or, where no picture is due, once it is connected; so the last picture stays until there
// is a newer one. `spare` has its offer ready while the ambulance has not started. A connection is
// replaced when media in the ambulance was restarted, when other cameras are sent, and when frames
// stop although the ambulance can be reached.

import { Peer } from "./peer.js";

const STALL_MS = 2000; // no frame of any picture
const STILLS_STALL_MS = 15_000; // the same while single pictures are sent
const LAG_MS = 6000; // no frame of one picture while others go on
const SHAKY_MS = 1000; // no frame while ICE says disconnected
const SILENCE_MS = 8000; // nothing at all came in on a connection without pictures
const FIRST_FRAME_MS = 4000; // from answer to first frame
const ANSWER_MS = [2000, 3000, 4000, 6500];
const BACKOFF_MS = [0, 300, 600, 1000, 2000, 3000];
const SPARE_MS = 30_000; // relay allocations of an unused offer are renewed after this
const SETTLED_MS = 5000; // all well for this long: the next trouble starts without back-off
const SECTIONS_MAX = 8;
const EARLY_MAX = 500;
const PRODUCING = new Set(["starting", "ready", "live"]);

export class Watch {
  // lacks: as peer.lacking() says. isOnline(): whether the hub is connected. send(message): to it,
  // false if it is not. changed(): streams came or went. said(data): from the data channel.
  constructor(servers, lacks, { isOnline, send, changed, said }) {
    this.servers = servers;
    this.lacks = lacks;
    this.isOnline = isOnline;
    this.send = send;
    this.changed = changed;
    this.said = said;
    this.state = null;
    this.current = null;
    this.next = null;
    this.spare = null;
    this.offers = 0;
    this.failures = 0;
    this.retryAt = 0;
    this.iceFailures = 0;
    this.attempts = [];
    this.local = { audio: null, video: null };
  }

  // Whether the person may have a connection at all.
  get allowed() {
    const you = this.state?.you;
    return Boolean(
      this.lacks !== "webrtc" &&
        you?.admitted &&
        (you.gets.sees || you.gets.hears || you.gets.speaks || you.gets.shows),
    );
  }

  get wanted() {
    if (!this.allowed || this.state.session !== "live") return false;
    const { hears, speaks, shows } = this.state.you.gets;
    return hears || speaks || shows || this.producing().length > 0;
  }

  producing() {
    return this.state.cameras.filter((camera) => PRODUCING.has(camera.state));
  }

  // Ids of the cameras whose pictures are due now.
  due() {
    if (this.state.hidden || this.lacks) return new Set();
    return new Set(this.state.cameras.filter((one) => one.state === "live").map((one) => one.id));
  }

  setState(state) {
    this.state = state;
    if (state.session === "idle" || !this.allowed) this.stop();
    if (!this.allowed) {
      this.drop("spare");
      return;
    }
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

  // Something comes in, be it pictures, sound or mere signs of life.
  get isConnected() {
    const peer = this.current;
    if (!peer?.isConnected) return false;
    return performance.now() - Math.max(peer.heardAt ?? 0, peer.shownAt) < SILENCE_MS;
  }

  // Video cannot get through: connections fail although offers are answered.
  get blocked() {
    return this.iceFailures >= 3;
  }

  // Send this track to the cabin from now on, or nothing.
  give(kind, track) {
    this.local[kind] = track;
    for (const peer of [...this.connections(), this.spare]) peer?.give(kind, track);
  }

  // On the data channel, a message or bytes; false if there is none. `lossy`: late is worse than
  // never.
  tell(message, lossy = false) {
    const peer = this.current;
    const channel = lossy ? peer?.pointing : peer?.channel;
    if (channel?.readyState !== "open") return false;
    channel.send(message instanceof Uint8Array ? message : JSON.stringify(message));
    return true;
  }

  get canTell() {
    return this.current?.channel?.readyState === "open";
  }

  make() {
    const { gets } = this.state.you;
    const id = this.offers++;
    const sees = gets.sees && !this.lacks;
    const wants = {
      pictures: sees ? Math.min(SECTIONS_MAX, Math.max(1, this.state.camera_count)) : 0,
      hears: gets.hears,
      speaks: gets.speaks,
      shows: gets.shows,
      talks: sees || gets.vitals,
      vitals: gets.vitals,
    };
    const peer = new Peer(id, this.servers, wants, {
      trickle: (candidate) => this.send({ type: "Candidate", offer: id, ...candidate }),
      said: (data, from) => this.hear(data, from),
      opened: () => this.changed(),
    });
    for (const [kind, track] of Object.entries(this.local)) if (track) peer.give(kind, track);
    return peer;
  }

  // What a connection says before it is in use is kept until it is.
  hear(data, peer) {
    if (peer === this.current) this.said(data);
    else if (peer.early.length < EARLY_MAX) peer.early.push(data);
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
    const waiting = this.allowed && this.servers.length && this.state.session !== "live";
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
    // Once for each choice of cameras: the box may carry fewer than it names.
    const missing = this.producing().some((camera) => !carried.has(camera.id));
    if (missing && !this.lacks && peer.cameras !== this.cameras()) return "cameras";
    if (peer.failed) return "failed";
    const due = this.due();
    if (!due.size) {
      const silence = now - Math.max(peer.heardAt ?? 0, peer.shownAt);
      return silence > SILENCE_MS ? "silent" : null;
    }
    return this.troubleWithPictures(now, peer, due);
  }

  troubleWithPictures(now, peer, due) {
    const stills = this.state.sending.level === "stills";
    // Pictures that were hidden, or left out, have their time from the moment they are due again.
    const since = Math.max(peer.shownAt, this.dueSince(now, due));
    const silence = now - Math.max(peer.lastFrameAt(due) ?? 0, since);
    if (silence > (stills ? STILLS_STALL_MS : STALL_MS)) return "stalled";
    if (!stills && silence > SHAKY_MS && peer.shaky) return "shaky";
    const lags = peer.streams.some(
      (stream) =>
        due.has(stream.camera) && now - Math.max(stream.lastFrameAt ?? 0, since) > LAG_MS,
    );
    return lags && !stills ? "lagging" : null;
  }

  // When these very pictures became due.
  dueSince(now, due) {
    const key = `${[...due].sort().join(" ")} ${this.state.sending.level === "stills"}`;
    if (key !== this.dueKey) {
      this.dueKey = key;
      this.dueAt = now;
    }
    return this.dueAt;
  }

  // Which cameras are sent, in any order.
  cameras() {
    return this.producing()
      .map((camera) => camera.id)
      .sort()
      .join(" ");
  }

  async connect() {
    const spare = this.spare;
    const pictures = this.lacks ? 0 : Math.min(this.state.cameras.length, SECTIONS_MAX);
    const fits = spare && !spare.failed && spare.wants.pictures >= pictures;
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
    const stills = this.state.sending.level === "stills";
    const firstFrame = stills ? STILLS_STALL_MS : FIRST_FRAME_MS;
    if (peer.failed) {
      this.iceFailures += 1;
      this.fail();
    } else if (!peer.answered && now - peer.startedAt > patience) {
      this.fail();
    } else if (peer.answered && now - peer.marks.answer > firstFrame) {
      if (peer.marks.ice === undefined) this.iceFailures += 1;
      // Sound that works is not given up because no picture came.
      if (peer.isConnected && !this.current) this.takeOver(peer);
      else this.fail();
    }
  }

  // Whose sound is played: the newest that works.
  get soundPeer() {
    return this.connections().find((peer) => peer.isConnected) ?? this.current;
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
    if (peer === this.next) this.takeOver(peer);
  }

  takeOver(peer) {
    const old = this.current;
    this.current = peer;
    this.next = null;
    peer.shownAt = performance.now();
    this.iceFailures = 0;
    this.changed();
    for (const data of peer.early.splice(0)) this.said(data);
    old?.close();
  }

  // Called some times a second.
  async tick() {
    const now = performance.now();
    await Promise.all(this.connections().map((peer) => peer.poll(now)));
    for (const peer of this.connections()) {
      if (peer.streams.some((stream) => stream.firstFrameAt !== null)) this.sawFrame(peer);
    }
    const { next } = this;
    if (next?.isConnected && next.accepted && !this.hasDue(next)) this.takeOver(next);
    const shownAt = this.current?.shownAt;
    const well = this.due().size ? now - this.lastFrameAt() < 500 : this.isConnected;
    if (shownAt && now - shownAt > SETTLED_MS && !this.next && well) this.failures = 0;
    this.act();
  }

  // Whether a picture of this connection is due, so that it is worth waiting for.
  hasDue(peer) {
    const due = this.due();
    return peer.streams.some((stream) => due.has(stream.camera));
  }

  stop() {
    if (!this.current && !this.next) return;
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
