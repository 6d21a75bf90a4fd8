// One RTCPeerConnection: its offer, its answer, and the frames each picture has decoded.

const GATHER_MS = 300; // the offer goes out after this even without a candidate

const capabilities = () => globalThis.RTCRtpReceiver?.getCapabilities?.("video")?.codecs ?? null;

// What the browser lacks: "webrtc", "h264" or null.
export function lacking() {
  if (!globalThis.RTCPeerConnection) return "webrtc";
  const codecs = capabilities();
  return codecs && !codecs.some((codec) => /\/H264$/i.test(codec.mimeType)) ? "h264" : null;
}

function h264() {
  const codecs = (capabilities() ?? []).filter((codec) => /\/(H264|rtx)$/i.test(codec.mimeType));
  const usual = codecs.filter(
    (codec) => /rtx$/i.test(codec.mimeType) || /packetization-mode=1/.test(codec.sdpFmtpLine),
  );
  return usual.some((codec) => /H264$/i.test(codec.mimeType)) ? usual : codecs;
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
  }

  // Told by the video element or by the statistics, whichever is first.
  sawFrame(now) {
    this.firstFrameAt ??= now;
    this.lastFrameAt = now;
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
  // id: number of the offer. sections: how many pictures it can take. trickle(candidate): called
  // for what is found after the offer was read.
  constructor(id, servers, sections, trickle) {
    this.id = id;
    this.streams = [];
    this.answered = false;
    this.offered = false;
    this.madeAt = performance.now();
    this.marks = { gather: this.madeAt };
    // Relay only: the box can be reached no other way, and no address of this network leaks.
    this.pc = new RTCPeerConnection({
      iceServers: servers,
      iceTransportPolicy: "relay",
      bundlePolicy: "max-bundle",
    });
    this.pc.oniceconnectionstatechange = () => {
      if (["connected", "completed"].includes(this.pc.iceConnectionState)) this.mark("ice");
    };
    const codecs = h264();
    for (let i = 0; i < sections; i++) {
      const transceiver = this.pc.addTransceiver("video", { direction: "recvonly" });
      if (codecs.length) transceiver.setCodecPreferences?.(codecs);
      transceiver.receiver.jitterBufferTarget = 0;
      transceiver.receiver.playoutDelayHint = 0;
    }
    this.sections = sections;
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

  mark(step) {
    this.marks[step] ??= performance.now();
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
  }

  poll(now) {
    return Promise.all(this.streams.map((stream) => stream.poll(now)));
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
    this.pc.close();
  }
}
