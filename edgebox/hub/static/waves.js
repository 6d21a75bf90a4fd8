// Waves of the patient monitors: ECG at 25 mm/s and 10 mm/mV, in CSS millimetres (96 to an inch).
// A sample is where its number says it is; what is missing stays empty. The right edge is the moment
// of the picture beside it, as far as that is known: what happens at once stands at one place in both.
// Samples are later than the picture; they are drawn where they belong, left of the edge.

import { $, element, write } from "./dom.js";
import { PictureClock } from "./pictureclock.js";
import { unitText } from "./units.js";
import { clock, number, say } from "./words.js";

const PX_PER_MM = 96 / 25.4;
const PX_PER_S = 25 * PX_PER_MM;
const PX_PER_MV = 10 * PX_PER_MM;
const HEIGHT_MM = 25;
const HEIGHT = Math.round(HEIGHT_MM * PX_PER_MM);
const TITLE_PX = 22; // below waves without a fixed scale
const KEEP_S = 20;
const WINDOW_MS = 10_000; // least lateness of this time says when samples were taken
const SPARE_S = 0.15; // what is drawn is so much older than what must have come
const DELAY_MAX_S = 3;
const SILENT_S = 3; // after what is drawn
const FORGET_S = 15;
const JUMP_S = 1; // a number that is so far from its time is of a new wave
const FRAME_MS = 50;
const TOGETHER_S = 0.1; // nobody sees less
const ORDER = ["MDC_ECG_ELEC_POTL_II", "MDC_PULS_OXIM_PLETH", "MDC_AWAY_CO2", "MDC_RESP"];

const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

class Trace {
  constructor(block) {
    this.blocks = []; // {first, samples}, in order
    this.bases = []; // {at, base_s}: time of sample 0, as each block has it
    this.late = []; // {at, late_s}: how late each block was complete
    this.middle = null;
    this.root = element("figure", "wave");
    this.root.dataset.name = block.name;
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.title = element("figcaption");
    this.note = element("p", "wave-note");
    this.root.append(this.canvas, this.title, this.note);
  }

  take(block, utc, now) {
    this.block = block;
    this.takenAt = now;
    const { first, samples, rate_hz, at_utc } = block;
    const base_s = at_utc - (first + samples.length - 1) / rate_hz;
    if (this.bases.length && Math.abs(base_s - this.base_s) > JUMP_S) this.restart();
    this.bases = recent(this.bases, now);
    this.bases.push({ at: now, base_s });
    this.late = recent(this.late, now);
    this.late.push({ at: now, late_s: utc - at_utc + samples.length / rate_hz });
    this.blocks = this.blocks.filter((one) => one.first !== first);
    this.blocks.push({ first, samples });
    this.blocks.sort((a, b) => a.first - b.first);
    const oldest = first - KEEP_S * rate_hz;
    this.blocks = this.blocks.filter((one) => one.first + one.samples.length > oldest);
  }

  // What came before has another numbering: it goes, rather than be drawn in a wrong place.
  restart() {
    this.blocks = [];
    this.bases = [];
  }

  get base_s() {
    return Math.min(...this.bases.map((one) => one.base_s));
  }

  get delay_s() {
    const late = Math.max(0, ...this.late.map((one) => one.late_s));
    return Math.min(DELAY_MAX_S, late + SPARE_S);
  }

  get last_utc() {
    const last = this.blocks.at(-1);
    return last ? this.base_s + (last.first + last.samples.length - 1) / this.block.rate_hz : 0;
  }

  get isEcg() {
    return this.block.name.startsWith("MDC_ECG") && ["mV", "uV"].includes(this.block.unit);
  }

  // {x, value} of what is seen up to `until_utc`; value null where nothing is.
  points(right_utc, until_utc, width) {
    const { rate_hz, scale, offset, unit } = this.block;
    const factor = unit === "uV" ? 0.001 : 1;
    const left_utc = right_utc - width / PX_PER_S;
    const base_s = this.base_s;
    const points = [];
    let next = null;
    for (const { first, samples } of this.blocks) {
      if (next !== null && first > next) points.push({ x: 0, value: null });
      next = first + samples.length;
      samples.forEach((raw, index) => {
        const at = base_s + (first + index) / rate_hz;
        if (at < left_utc || at > until_utc) return;
        const value = raw === null ? null : (raw * scale + offset) * factor;
        points.push({ x: width - (right_utc - at) * PX_PER_S, value });
      });
    }
    return points;
  }

  // picture_s: how far the picture is behind `utc`; null: not known.
  draw(utc, picture_s, colours) {
    const width = this.root.clientWidth;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      Object.assign(this.canvas, { width: w, height: h });
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, HEIGHT);
    drawGrid(pen, width, colours, this.isEcg);
    const until_utc = utc - Math.max(this.delay_s, picture_s ?? 0);
    const right_utc = picture_s === null ? until_utc : utc - picture_s;
    const points = this.points(right_utc, until_utc, width);
    const y = this.scale(points.filter((one) => one.value !== null).map((one) => one.value));
    pen.strokeStyle = this.block.validity === "valid" ? colours.trace : colours.doubtful;
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.beginPath();
    let drawing = false;
    for (const { x, value } of points) {
      if (value === null) drawing = false;
      else if (drawing) pen.lineTo(x, y(value));
      else {
        pen.moveTo(x, y(value));
        drawing = true;
      }
    }
    pen.stroke();
    this.say(until_utc);
  }

  // From a value to its height; ECG has its fixed scale, and moves by half millivolts only.
  scale(values) {
    const low = Math.min(...values, Infinity);
    const high = Math.max(...values, -Infinity);
    if (this.isEcg) {
      const half = HEIGHT_MM / 20;
      this.middle ??= 0.5;
      const out = values.length && (high > this.middle + half || low < this.middle - half);
      if (out) this.middle = Math.round(high + low) / 2;
      return (value) => HEIGHT / 2 - (value - this.middle) * PX_PER_MV;
    }
    this.range = values.length ? [low, high] : null;
    const span = Math.max(high - low, 1e-9);
    return (value) => HEIGHT - TITLE_PX - 4 - ((value - low) / span) * (HEIGHT - TITLE_PX - 10);
  }

  say(until_utc) {
    const { block } = this;
    const key = `vitals.wave.${block.name}`;
    const known = say(key);
    const parts = [known === key ? block.label || block.name : known];
    if (this.isEcg) parts.push(say("waves.ecg-scale"));
    else if (this.range && unitText(block.unit)) {
      const [low, high] = this.range.map((value) => number(value, 0));
      parts.push(`${low} – ${high} ${unitText(block.unit)}`);
    } else parts.push(say("waves.no-scale"));
    if (block.validity !== "valid") parts.push(say(`vitals.validity.${block.validity}`));
    write(this.title, parts.join(" · "));
    const silent = until_utc - this.last_utc > SILENT_S;
    const words = silent ? say("waves.silent", { time: clock(this.last_utc * 1000) }) : "";
    write(this.note, words);
    this.note.hidden = !words;
    const label = words ? `${this.title.textContent}. ${words}` : this.title.textContent;
    if (this.canvas.getAttribute("aria-label") !== label) {
      this.canvas.setAttribute("aria-label", label);
    }
  }
}

export class Waves {
  constructor(boxClock) {
    this.boxClock = boxClock;
    this.picture = new PictureClock();
    this.traces = new Map();
    this.drawnAt = 0;
    this.running = false;
  }

  clear() {
    this.traces.clear();
    this.picture.clear();
    $("wave-traces").replaceChildren();
    $("waves").hidden = true;
  }

  take(block, now) {
    const utc = this.boxClock.utc(now);
    if (utc === null) return; // the first values tell the clock
    const key = `${block.device} ${block.name} ${block.channel} ${block.label}`;
    let trace = this.traces.get(key);
    if (!trace) {
      trace = new Trace(block);
      this.traces.set(key, trace);
      const later = [...$("wave-traces").children].find(
        (one) => place(one.dataset.name) > place(block.name),
      );
      $("wave-traces").insertBefore(trace.root, later ?? null);
    }
    trace.take(block, utc, now);
    $("waves").hidden = false;
    if (this.running) return;
    this.running = true;
    requestAnimationFrame((at) => this.animate(at));
  }

  // Now and then: what nobody sends any more goes, and how late it all is. stream: the picture
  // beside the waves, or null.
  refresh(now, stream) {
    this.picture.look(stream, this.boxClock, now);
    for (const [key, trace] of this.traces) {
      if (now - trace.takenAt < FORGET_S * 1000) continue;
      trace.root.remove();
      this.traces.delete(key);
    }
    $("waves").hidden = !this.traces.size;
    if (!this.traces.size) return;
    write($("waves-late"), this.lateWords());
  }

  // How the waves stand to the picture.
  lateWords() {
    const delay_s = Math.max(...[...this.traces.values()].map((trace) => trace.delay_s));
    const picture_s = this.picture.late_s;
    if (picture_s === null) return say("waves.late", { seconds: number(delay_s, 1) });
    const behind_s = delay_s - picture_s;
    if (behind_s < TOGETHER_S) return say("waves.together");
    return say("waves.behind", { seconds: number(behind_s, 1) });
  }

  animate(at) {
    this.running = this.traces.size > 0;
    if (!this.running) return;
    requestAnimationFrame((next) => this.animate(next));
    if (at - this.drawnAt < FRAME_MS || !$("waves").open) return;
    this.drawnAt = at;
    const style = getComputedStyle($("waves"));
    const colours = Object.fromEntries(
      ["trace", "doubtful", "grid", "fine"].map((name) => [name, style.getPropertyValue(`--${name}`)]),
    );
    // What is drawn now stands until the next time: it is right in the middle of that.
    const utc = this.boxClock.utc(performance.now() + FRAME_MS / 2);
    const picture_s = this.picture.late_s;
    for (const trace of this.traces.values()) trace.draw(utc, picture_s, colours);
  }
}

function recent(list, now) {
  return list.filter((one) => now - one.at < WINDOW_MS);
}

// Lines each 5 mm, for ECG each millimetre too.
function drawGrid(pen, width, colours, fine) {
  const lines = (step_mm, colour) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let x = width; x >= 0; x -= step_mm * PX_PER_MM) {
      pen.moveTo(Math.round(x) - 0.5, 0);
      pen.lineTo(Math.round(x) - 0.5, HEIGHT);
    }
    for (let y = HEIGHT; y >= 0; y -= step_mm * PX_PER_MM) {
      pen.moveTo(0, Math.round(y) - 0.5);
      pen.lineTo(width, Math.round(y) - 0.5);
    }
    pen.stroke();
  };
  if (fine) lines(1, colours.fine);
  lines(5, colours.grid);
}
