// Of which moment the picture on the screen is, by the vehicle's clock.
//
// The box says when a picture with a certain RTP timestamp was taken (Moment, once a second); the
// browser says which timestamp the picture has that it puts on the screen (Stream.pictures, from
// requestVideoFrameCallback). Both hold for one connection. Browsers that do not: it stays unknown.

const RTP_HZ = 90_000;
const ROUND_S = 2 ** 32 / RTP_HZ; // RTP timestamps begin anew
const SAID_MAX = 10; // newest moments that are kept of each camera
const RECENT_MS = 2_000; // pictures that say how late it is
const AGREE = 3; // so many before it is believed
const KNOWN_MS = 8_000; // it holds so long without new pictures
const LATE_MAX_S = 5; // more is another clock, not a delay
const JUMP_S = 1; // a moment that is so far from the last ones is of another connection

export class PictureClock {
  constructor() {
    this.clear();
  }

  clear() {
    this.zeros = new Map(); // camera -> newest reckonings of the time at RTP timestamp 0
    this.late_s = null; // seconds that the picture is behind the vehicle's clock; null: not known
    this.knownAt = -Infinity;
  }

  // The box says when a picture was taken.
  take({ camera, rtp, at_utc }) {
    const zero_s = at_utc - rtp / RTP_HZ;
    const zeros = this.zeros.get(camera) ?? [];
    const isNear = zeros.length && Math.abs(nearest(zero_s - zeros[0])) < JUMP_S;
    this.zeros.set(camera, isNear ? [...zeros, zero_s].slice(-SAID_MAX) : [zero_s]);
  }

  // stream: the picture beside the waves, or null. boxClock: BoxClock.
  look(stream, boxClock, now) {
    if (now - this.knownAt > KNOWN_MS) this.late_s = null;
    const zeros = this.zeros.get(stream?.camera);
    if (!zeros || boxClock.utc(now) === null) return;
    // A moment may name the time of the next picture, never an earlier one: the least is right.
    const zero_s = zeros[0] + Math.min(...zeros.map((one) => nearest(one - zeros[0])));
    const late = stream.pictures
      .filter((one) => now - one.at < RECENT_MS)
      .map((one) => nearest(boxClock.utc(one.at) - zero_s - one.rtp / RTP_HZ))
      .filter((late_s) => Math.abs(late_s) < LATE_MAX_S)
      .sort((a, b) => a - b);
    if (late.length < AGREE) return;
    this.late_s = late[Math.floor(late.length / 2)];
    this.knownAt = now;
  }
}

// The difference of two times, whole rounds of RTP timestamps apart or not.
function nearest(difference_s) {
  return difference_s - ROUND_S * Math.round(difference_s / ROUND_S);
}
