// Of which moment the picture on the screen is, by the vehicle's clock.
//
// The sender tells (RTCP sender report) which time of its clock belongs to which RTP timestamp; the
// browser reckons from it when what it shows was sent (estimatedPlayoutTimestamp, W3C webrtc-stats).
// Sent is a few hundredths of a second after taken. Browsers without it: the moment stays unknown.

const NTP_1900_S = 2_208_988_800; // from 1900, where NTP begins, to 1970
const KEEP_MS = 8_000;
const AGREE = 3; // so many before it is believed
const LATE_MAX_S = 5; // more is another clock, not a delay

export class PictureClock {
  constructor() {
    this.clear();
  }

  clear() {
    this.peer = null;
    this.stats = null;
    this.seen = []; // {at (performance.now()), late_s}
    this.frames = 0;
  }

  // peer: the Peer in use, or null. boxClock: BoxClock.
  look(peer, boxClock, now) {
    if (peer !== this.peer) {
      this.clear();
      this.peer = peer;
    }
    this.seen = this.seen.filter((one) => now - one.at < KEEP_MS);
    if (!peer?.stats || peer.stats === this.stats) return;
    this.stats = peer.stats;
    const report = widest(peer.stats);
    const moves = (report?.framesDecoded ?? 0) > this.frames;
    this.frames = report?.framesDecoded ?? 0;
    if (!moves || !report.estimatedPlayoutTimestamp) return;
    const at = report.timestamp - performance.timeOrigin;
    const utc = boxClock.utc(at);
    const shown_utc = report.estimatedPlayoutTimestamp / 1000 - NTP_1900_S;
    if (utc === null || Math.abs(utc - shown_utc) > LATE_MAX_S) return;
    this.seen.push({ at: now, late_s: utc - shown_utc });
  }

  // Seconds that the picture is behind the vehicle's clock, as BoxClock has it; null: not known.
  get late_s() {
    if (this.seen.length < AGREE) return null;
    const sorted = this.seen.map((one) => one.late_s).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }
}

function widest(stats) {
  const pictures = [...stats.values()].filter(
    (one) => one.type === "inbound-rtp" && one.kind === "video" && one.frameWidth,
  );
  return pictures.sort((a, b) => b.frameWidth - a.frameWidth)[0];
}
