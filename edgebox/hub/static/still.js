// A still in the camera's full resolution: asked for, received in pieces, shown large. It lives in
// this page only, until the window with it is closed or somebody saves it.

import { $, press, write } from "./dom.js";
import { clock, number, say } from "./words.js";

const PATIENCE_MS = 30_000; // without a piece
const SCALE_MAX = 8;
const STEP = 1.25;
const PAN = 40; // CSS pixels, for arrow keys

export class Still {
  constructor() {
    this.dialog = $("still");
    this.image = $("still-image");
    this.frame = $("still-frame");
    this.id = 0;
    this.wanted = null; // {id, camera, name}
    this.parts = null;
    this.url = null;
    press($("still-close"), () => this.dialog.close());
    press($("still-in"), () => this.scaleBy(STEP));
    press($("still-out"), () => this.scaleBy(1 / STEP));
    press($("still-all"), () => this.fit());
    this.dialog.addEventListener("close", () => this.forget());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.setUpDrag();
  }

  take(camera, name, guide) {
    if (this.wanted) return;
    this.id += 1;
    this.wanted = { id: this.id, camera, name };
    if (!guide.tell({ type: "TakeStill", id: this.id, camera })) {
      this.wanted = null;
      return;
    }
    this.open();
    this.progress(0);
    this.wait();
  }

  // The connection is no more; over the next one it is asked for anew.
  interrupt() {
    if (this.wanted) this.wanted.interrupted = true;
  }

  again(guide) {
    if (!this.wanted?.interrupted) return;
    const { camera, name } = this.wanted;
    this.wanted = this.parts = this.start = null;
    this.take(camera, name, guide);
  }

  open() {
    this.show(null);
    write($("still-title"), say("still.title", { camera: this.wanted.name }));
    write($("still-words"), say("still.asked"));
    $("still-problem").hidden = true;
    if (!this.dialog.open) this.dialog.showModal();
  }

  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fail({ reason: "failed" }), PATIENCE_MS);
  }

  begin(start) {
    if (start.id !== this.wanted?.id) return;
    this.start = start;
    this.parts = [];
    this.received = 0;
    this.wait();
  }

  chunk(bytes) {
    if (!this.parts) return;
    this.parts.push(bytes);
    this.received += bytes.byteLength;
    this.progress(this.received / this.start.bytes);
    this.wait();
    if (this.received >= this.start.bytes) this.finish();
  }

  progress(share) {
    const percent = Math.min(100, Math.floor(share * 100));
    $("still-progress").hidden = false;
    $("still-progress").value = percent;
    if (this.start) write($("still-words"), say("still.coming", { percent: number(percent) }));
  }

  finish() {
    clearTimeout(this.timer);
    const { at_utc, width, height } = this.start;
    this.show(new Blob(this.parts, { type: "image/jpeg" }));
    const time = clock(at_utc * 1000);
    const values = { time, width, height, camera: this.wanted.name };
    write($("still-words"), say("still.done", values));
    this.image.alt = say("still.alt", values);
    $("still-save").download = `${this.wanted.camera}-${new Date(at_utc * 1000).toISOString()}.jpg`;
    this.wanted = this.parts = this.start = null;
  }

  fail({ reason }) {
    if (!this.wanted) return;
    clearTimeout(this.timer);
    this.wanted = this.parts = this.start = null;
    $("still-progress").hidden = true;
    write($("still-words"), "");
    write($("still-problem"), say(`still.${reason}`));
    $("still-problem").hidden = false;
  }

  show(blob) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = blob ? URL.createObjectURL(blob) : null;
    if (blob) this.image.src = $("still-save").href = this.url;
    else {
      this.image.removeAttribute("src");
      $("still-save").removeAttribute("href");
    }
    this.image.hidden = $("still-save").hidden = $("still-tools").hidden = !blob;
    $("still-progress").hidden = Boolean(blob);
    this.fit();
  }

  // The window was closed: nothing of the picture is kept.
  forget() {
    clearTimeout(this.timer);
    this.wanted = this.parts = this.start = null;
    this.show(null);
  }

  // Looking closer

  fit() {
    this.scale = 1;
    this.x = this.y = 0;
    this.apply();
  }

  scaleBy(factor, at = { x: 0, y: 0 }) {
    const scale = Math.min(SCALE_MAX, Math.max(1, this.scale * factor));
    const grown = scale / this.scale;
    this.x = at.x - (at.x - this.x) * grown;
    this.y = at.y - (at.y - this.y) * grown;
    this.scale = scale;
    this.apply();
  }

  apply() {
    const [w, h] = [this.frame.clientWidth, this.frame.clientHeight];
    const [mostX, mostY] = [((this.scale - 1) * w) / 2, ((this.scale - 1) * h) / 2];
    this.x = Math.min(mostX, Math.max(-mostX, this.x));
    this.y = Math.min(mostY, Math.max(-mostY, this.y));
    this.image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  // Relative to the middle of the frame.
  at(event) {
    const box = this.frame.getBoundingClientRect();
    return {
      x: event.clientX - box.x - box.width / 2,
      y: event.clientY - box.y - box.height / 2,
    };
  }

  wheel(event) {
    event.preventDefault();
    this.scaleBy(Math.exp(-event.deltaY * 0.0015), this.at(event));
  }

  key(event) {
    const pans = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const pan = pans[event.key];
    if (pan) {
      this.x += pan[0] * PAN;
      this.y += pan[1] * PAN;
      this.apply();
    } else if (event.key === "+") this.scaleBy(STEP);
    else if (event.key === "-") this.scaleBy(1 / STEP);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  setUpDrag() {
    const fingers = new Map();
    const span = () => {
      const [a, b] = [...fingers.values()];
      return {
        length: Math.hypot(a.x - b.x, a.y - b.y),
        middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
      };
    };
    this.frame.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, this.at(event));
      this.frame.setPointerCapture(event.pointerId);
    });
    this.frame.addEventListener("pointermove", (event) => {
      const from = fingers.get(event.pointerId);
      if (!from) return;
      const to = this.at(event);
      const before = fingers.size === 2 ? span() : null;
      fingers.set(event.pointerId, to);
      if (before) {
        const after = span();
        if (before.length > 5) this.scaleBy(after.length / before.length, after.middle);
      }
      this.x += (to.x - from.x) / fingers.size;
      this.y += (to.y - from.y) / fingers.size;
      this.apply();
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      this.frame.addEventListener(kind, (event) => fingers.delete(event.pointerId));
    }
  }

  end() {
    if (this.dialog.open) this.dialog.close();
  }
}
