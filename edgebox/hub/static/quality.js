// How good the way from the ambulance to this browser is, and whether it is encrypted: in words,
// from the browser's own statistics.

import { number, say } from "./words.js";

const EVERY_MS = 2000;
const BAD = { loss: 0.08, rtt_ms: 900 };
const POOR = { loss: 0.02, rtt_ms: 350 };

export class Quality {
  constructor() {
    this.peer = null;
    this.at = 0;
    this.grade = ""; // "", "good", "poor", "bad", "nothing"
    this.rtt_ms = null;
    this.secured = false;
  }

  // peer: the Peer in use, or null.
  look(peer, now) {
    if (peer !== this.peer) Object.assign(this, new Quality(), { peer });
    this.secured = Boolean(peer?.isConnected && peer.isSecured);
    if (!peer?.stats || now - this.at < EVERY_MS) return;
    this.at = now;
    const seen = totals(peer.stats);
    this.rtt_ms = seen.rtt_ms;
    const before = this.seen;
    this.seen = seen;
    if (!before) return;
    const lost = Math.max(0, seen.lost - before.lost);
    const all = lost + Math.max(0, seen.received - before.received);
    if (all) this.judge(lost / all);
    else this.grade = "nothing";
  }

  judge(loss) {
    const rtt_ms = this.rtt_ms ?? 0;
    const worse = (limit) => loss > limit.loss || rtt_ms > limit.rtt_ms;
    this.grade = worse(BAD) ? "bad" : worse(POOR) ? "poor" : "good";
  }

  get words() {
    if (!this.peer?.isConnected || !this.grade) return say("quality.none");
    if (this.grade === "nothing") return say("quality.nothing");
    const delay = this.rtt_ms === null ? "" : say("quality.delay", { ms: number(this.rtt_ms / 2) });
    return `${say(`quality.${this.grade}`)} ${delay}`.trim();
  }

  // Only what the browser itself says: whether DTLS is up, from which the media keys come.
  get encryption() {
    return say(this.secured ? "encrypted" : "encrypted.not");
  }
}

function totals(stats) {
  const found = { lost: 0, received: 0, rtt_ms: null };
  let pair = null;
  for (const report of stats.values()) {
    if (report.type === "inbound-rtp") {
      found.lost += report.packetsLost ?? 0;
      found.received += report.packetsReceived ?? 0;
    }
    if (report.type === "transport") pair ??= stats.get(report.selectedCandidatePairId);
    if (report.type === "candidate-pair" && (report.selected || report.nominated)) pair ??= report;
  }
  if (pair?.currentRoundTripTime !== undefined) found.rtt_ms = pair.currentRoundTripTime * 1000;
  return found;
}
