// The vehicle's clock, as far as it can be told from here: what came through fastest in the last
// minute counts, so that what was held up on the way is not taken for new.

const WINDOW_MS = 60_000;
const JUMP_S = 30;

export class BoxClock {
  constructor() {
    this.seen = []; // {at (performance.now()), ahead_s}
  }

  // A message says it was sent at this time.
  take(sent_utc, now) {
    const ahead_s = sent_utc - now / 1000;
    const last = this.seen.at(-1);
    if (last && ahead_s - last.ahead_s > JUMP_S) this.seen = [];
    this.seen = this.seen.filter((one) => now - one.at < WINDOW_MS);
    this.seen.push({ at: now, ahead_s });
  }

  // Seconds since 1970 in the vehicle; null while nothing is known.
  utc(now) {
    if (!this.seen.length) return null;
    return now / 1000 + Math.max(...this.seen.map((one) => one.ahead_s));
  }
}
