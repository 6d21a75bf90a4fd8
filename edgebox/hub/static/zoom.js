// Which part of a picture the person wants to see: kept inside the sensor, and asked for at a
// measured pace. The box cuts it out before encoding, so everybody sees the same.

const EVERY_MS = 100;
const TRUST_MS = 1000; // what was asked for this long ago either came or will not
export const SIZE_MIN = 0.1;

// The nearest part that lies in the picture.
export function inside({ x, y, size }) {
  const kept = Math.min(1, Math.max(SIZE_MIN, size));
  const most = 1 - kept;
  return { x: Math.min(most, Math.max(0, x)), y: Math.min(most, Math.max(0, y)), size: kept };
}

// `part` made larger (factor > 1) or smaller around a point of the sensor's picture.
export function scaled(part, factor, at) {
  const size = Math.min(1, Math.max(SIZE_MIN, part.size * factor));
  const grown = size / part.size;
  return inside({
    x: at.x - (at.x - part.x) * grown,
    y: at.y - (at.y - part.y) * grown,
    size,
  });
}

export class Zoom {
  // ask(camera, part): tell the box.
  constructor(ask) {
    this.ask = ask;
    this.wanted = new Map(); // camera -> {part, at}
    this.sentAt = 0;
    this.timer = null;
  }

  // What was asked for last, or what is seen.
  base(camera, seen) {
    const wish = this.wanted.get(camera);
    return wish && performance.now() - wish.at < TRUST_MS ? wish.part : seen;
  }

  to(camera, part) {
    this.wanted.set(camera, { part: inside(part), at: performance.now() });
    if (this.timer) return;
    const wait = Math.max(0, this.sentAt + EVERY_MS - performance.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      this.sentAt = performance.now();
      this.ask(camera, this.wanted.get(camera).part);
    }, wait);
  }
}
