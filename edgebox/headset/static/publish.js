// What this device sends, by WHIP (RFC 9725): its camera, and its microphone if there is one.

import { Session } from "./session.js";

const MOST_BPS = 2_000_000;

export class Publisher extends Session {
  constructor(bearer, changed, unknown) {
    super("/whip", bearer, changed, unknown);
    this.stream = null;
  }

  // Publish this stream, or nothing. Another stream takes the other's place in the same session.
  give(stream) {
    if (stream === this.stream) return;
    const had = this.stream;
    this.stream = stream;
    if (!stream) this.stop();
    else if (had && this.pc && this.replace(stream)) return;
    else this.restart();
  }

  get wanted() {
    return this.stream !== null;
  }

  replace(stream) {
    const senders = this.pc.getSenders();
    if (kinds(stream) !== this.kinds) return false;
    for (const track of stream.getTracks()) {
      senders.find((one) => one.track?.kind === track.kind)?.replaceTrack(track).catch(() => {});
    }
    return true;
  }

  fill(pc) {
    this.kinds = kinds(this.stream);
    for (const track of this.stream.getTracks()) {
      const video = track.kind === "video";
      const encodings = video ? [{ maxBitrate: MOST_BPS, maxFramerate: 30 }] : undefined;
      const made = pc.addTransceiver(track, {
        direction: "sendonly",
        streams: [this.stream],
        ...(encodings && { sendEncodings: encodings }),
      });
      if (video) preferH264(made);
    }
  }
}

const kinds = (stream) => stream.getTracks().map((track) => track.kind).sort().join();

// H.264 first: it reaches everybody who looks as it leaves this device.
function preferH264(transceiver) {
  const codecs = RTCRtpSender.getCapabilities?.("video")?.codecs ?? [];
  const rank = ({ mimeType, sdpFmtpLine = "" }) =>
    /h264/i.test(mimeType) && /packetization-mode=1/.test(sdpFmtpLine) ? 0 : /vp8/i.test(mimeType) ? 1 : 2;
  const sorted = [...codecs].sort((a, b) => rank(a) - rank(b));
  if (sorted.length) transceiver.setCodecPreferences?.(sorted);
}
