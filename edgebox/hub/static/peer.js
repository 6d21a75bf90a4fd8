// One RTCPeerConnection: its offer, its answer, the frames each picture has decoded, the sound, what
// goes back to the cabin, and the data channels.

const GATHER_MS = 300; // the offer goes out after this even without a candidate
const STATS_MS = 1000; // statistics of the whole connection
const PICTURES_MAX = 60; // newest ones whose time is kept: two seconds and more
const GUEST_MAX_BPS = 600_000; // own camera: the ambulance's links carry it

const capabilities = () => globalThis.RTCRtpReceiver?.getCapabilities?.("video")?.codecs ?? null;

// What the browser lacks: "webrtc", "h264" or null. `sees`: whether pictures shall be shown.
export function lacking(sees) {
  if (!globalThis.RTCPeerConnection) return "webrtc";
  const codecs = capabilities();
  const h264 = !codecs || codecs.some((codec) => /\/H264$/i.test(codec.mimeType));
  return sees && !h264 ? "h264" : null;
}

function preferred(codecs, others) {
  const found = codecs.filter((codec) => /\/(H264|rtx)$/i.test(codec.mimeType));
  const usual = found.filter(
    (codec) => /rtx$/i.test(codec.mimeType) || /packetization-mode=1/.test(codec.sdpFmtpLine),
  );
  const h264 = usual.some((codec) => /H264$/i.test(codec.mimeType)) ? usual : found;
  return others ? [...h264, ...codecs.filter((codec) => !h264.includes(codec))] : h264;
}

// One picture of a connection.
class Stream {
  constructor({ mid, camera, name }, transceiver) {
    this.mid = mid;
    this.camera = camera;
    this.name = name;
    this.receiver = transceiver.receiver;
    this.media = new MediaStream([transceiver.receiver.track]);
    this.frames = 0;
    this.firstFrameAt = null; // performance.now(), ms
    this.lastFrameAt = null;
    this.fps = 0;
    this.pictures = []; // {at (performance.now()), rtp (RTP timestamp)}: when which one was seen
  }

  // Told by the video element or by the statistics, whichever is first.
  sawFrame(now) {
    this.firstFrameAt ??= now;
    this.lastFrameAt = now;
  }

  // metadata: of requestVideoFrameCallback.
  sawPicture({ expectedDisplayTime, rtpTimestamp }) {
    if (rtpTimestamp === undefined) return;
    this.pictures.push({ at: expectedDisplayTime, rtp: rtpTimestamp });
    if (this.pictures.length > PICTURES_MAX) this.pictures.shift();
  }

  async poll(now) {
    for (const report of (await this.receiver.getStats()).values()) {
      if (report.type !== "inbound-rtp" || report.kind !== "video") continue;
      const frames = report.framesDecoded ?? 0;
      if (frames > this.frames) this.sawFrame(now);
      this.frames = frames;
      this.fps = report.framesPerSecond ?? 0;
    }
  }
}

export class Peer {
  // id: number of the offer. wants: {pictures: how many, hears, speaks, shows, talks, vitals}.
  // trickle(candidate): called for what is found after the offer was read.
  // said(data, peer): text or bytes that came on the data channel.
  constructor(id, servers, wants, { trickle, said, opened }) {
    this.id = id;
    this.streams = [];
    this.answered = false;
    this.accepted = false; // the answer is in force
    this.offered = false;
    this.madeAt = performance.now();
    this.marks = { gather: this.madeAt };
    this.wants = wants;
    this.early = []; // what came on the data channels before anybody listened
    this.stats = null; // newest getStats() of the whole connection
    this.statsAt = 0;
    this.received = 0;
    this.heardAt = null; // when bytes came in for the last time
    // Relay only: the box can be reached no other way, and no address of this network leaks.
    this.pc = new RTCPeerConnection({
      iceServers: servers,
      iceTransportPolicy: "relay",
      bundlePolicy: "max-bundle",
    });
    this.pc.oniceconnectionstatechange = () => {
      if (["connected", "completed"].includes(this.pc.iceConnectionState)) this.mark("ice");
    };
    this.addPictures();
    this.addSound();
    this.addGuest();
    if (wants.talks) this.addChannels(said, opened);
    if (wants.vitals) this.addVitals(said);
    this.gathered = new Promise((resolve) => {
      this.pc.onicecandidate = ({ candidate }) => {
        if (candidate?.candidate) this.mark("candidate");
        if (this.offered) {
          trickle({
            candidate: candidate?.candidate ?? "",
            mid: candidate?.sdpMid ?? "0",
          });
        }
        if (!candidate || candidate.type === "relay") resolve();
      };
    });
    this.described = this.pc.setLocalDescription();
    this.described.catch(() => {});
  }

  addPictures() {
    const codecs = preferred(capabilities() ?? [], false);
    for (let i = 0; i < this.wants.pictures; i++) {
      const transceiver = this.pc.addTransceiver("video", { direction: "recvonly" });
      if (codecs.length) transceiver.setCodecPreferences?.(codecs);
      transceiver.receiver.jitterBufferTarget = 0;
      transceiver.receiver.playoutDelayHint = 0;
    }
  }

  addSound() {
    const { hears, speaks } = this.wants;
    if (!hears && !speaks) return;
    const direction = hears && speaks ? "sendrecv" : hears ? "recvonly" : "sendonly";
    this.sound = this.pc.addTransceiver("audio", { direction });
    if (hears) this.soundMedia = new MediaStream([this.sound.receiver.track]);
  }

  addGuest() {
    if (!this.wants.shows) return;
    this.guest = this.pc.addTransceiver("video", {
      direction: "sendonly",
      sendEncodings: [{ maxBitrate: GUEST_MAX_BPS }],
    });
    const codecs = globalThis.RTCRtpSender?.getCapabilities?.("video")?.codecs ?? [];
    if (codecs.length) this.guest.setCodecPreferences?.(preferred(codecs, true));
  }

  addChannels(said, opened) {
    this.channel = this.pc.createDataChannel("edgebox");
    this.channel.binaryType = "arraybuffer";
    this.channel.onmessage = ({ data }) => said(data, this);
    this.channel.onopen = () => opened(this);
    this.channel.onclose = () => opened(this);
    this.pointing = this.pc.createDataChannel("pointing", { ordered: false, maxRetransmits: 0 });
    this.pointing.onmessage = ({ data }) => said(data, this);
  }

  // Waves: late ones are of no use, a gap is shown.
  addVitals(said) {
    this.vitals = this.pc.createDataChannel("vitals", { ordered: false, maxRetransmits: 0 });
    this.vitals.onmessage = ({ data }) => said(data, this);
  }

  // Send this track to the cabin, or nothing at all.
  give(kind, track) {
    const transceiver = kind === "audio" ? this.sound : this.guest;
    if (kind === "audio" && !this.wants.speaks) return;
    transceiver?.sender.replaceTrack(track).catch(() => {});
  }

  mark(step) {
    this.marks[step] ??= performance.now();
  }

  get isConnected() {
    return this.pc.connectionState === "connected";
  }

  // Keys are agreed with the box itself: without, neither picture nor sound flows.
  get isSecured() {
    const dtls = this.pc
      .getTransceivers()
      .map((one) => one.receiver.transport ?? one.sender.transport)
      .find((one) => one);
    return dtls?.state === "connected";
  }

  get failed() {
    return ["failed", "closed"].includes(this.pc.connectionState);
  }

  get shaky() {
    return this.failed || this.pc.iceConnectionState === "disconnected";
  }

  // The offer's SDP, as soon as a first candidate makes it useful.
  async offer() {
    await this.described;
    await Promise.race([this.gathered, new Promise((done) => setTimeout(done, GATHER_MS))]);
    this.offered = true;
    this.mark("offer");
    return this.pc.localDescription.sdp;
  }

  async accept(sdp, streams) {
    this.mark("answer");
    this.answered = true;
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    const byMid = new Map(this.pc.getTransceivers().map((one) => [one.mid, one]));
    this.streams = streams
      .filter((stream) => byMid.has(stream.mid))
      .map((stream) => new Stream(stream, byMid.get(stream.mid)));
    this.accepted = true;
  }

  async poll(now) {
    await Promise.all([...this.streams.map((stream) => stream.poll(now)), this.pollAll(now)]);
  }

  async pollAll(now) {
    if (now - this.statsAt < STATS_MS || this.failed) return;
    this.statsAt = now;
    this.stats = await this.pc.getStats();
    let received = 0;
    for (const report of this.stats.values()) {
      if (report.type === "inbound-rtp") received += report.packetsReceived ?? 0;
      if (report.type === "candidate-pair") received += report.responsesReceived ?? 0;
    }
    if (received > this.received) this.heardAt = now;
    this.received = received;
  }

  // When the newest frame of these cameras was decoded; null if none ever was.
  lastFrameAt(cameras) {
    const times = this.streams
      .filter((stream) => cameras.has(stream.camera) && stream.lastFrameAt !== null)
      .map((stream) => stream.lastFrameAt);
    return times.length ? Math.max(...times) : null;
  }

  close() {
    this.pc.onicecandidate = null;
    for (const channel of [this.channel, this.pointing, this.vitals]) {
      if (channel) channel.onmessage = channel.onopen = channel.onclose = null;
    }
    this.pc.close();
  }
}
