// What people point at and draw on one picture, in fractions of the whole sensor picture.

import { element } from "./dom.js";

const POINTER_MS = 2000; // a pointer that says nothing for this long has gone
const SVG = "http://www.w3.org/2000/svg";

// Where a picture of w x h lies in a box that shows all of it: {x, y, width, height}.
export function fit(boxWidth, boxHeight, w, h) {
  const scale = Math.min(boxWidth / w, boxHeight / h);
  const [width, height] = [w * scale, h * scale];
  return { x: (boxWidth - width) / 2, y: (boxHeight - height) / 2, width, height };
}

export class Ink {
  constructor() {
    this.root = element("div", "ink");
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.root.append(this.svg);
    this.strokes = new Map(); // key -> polyline
    this.pointers = new Map(); // participant -> {root, x, y, at}
    this.part = { x: 0, y: 0, size: 1 };
  }

  // More points of a line; `key` names the line, `own` whether it is this person's.
  draw(key, points, own) {
    let line = this.strokes.get(key);
    if (!line) {
      line = document.createElementNS(SVG, "polyline");
      line.setAttribute("vector-effect", "non-scaling-stroke");
      line.setAttribute("class", own ? "own" : "");
      this.svg.append(line);
      this.strokes.set(key, line);
    }
    const added = points.map(([x, y]) => `${x.toFixed(4)},${y.toFixed(4)}`).join(" ");
    line.setAttribute("points", `${line.getAttribute("points") ?? ""} ${added}`.trim());
  }

  // All lines, each as points [x, y].
  lines() {
    return [...this.strokes.values()].map((line) =>
      line.getAttribute("points").split(" ").map((point) => point.split(",").map(Number)),
    );
  }

  has(key) {
    return this.strokes.has(key);
  }

  remove(key) {
    this.strokes.get(key)?.remove();
    this.strokes.delete(key);
  }

  erase() {
    this.svg.replaceChildren();
    this.strokes.clear();
  }

  // name: empty for one's own.
  point(participant, name, { on, x, y }, now) {
    if (!on) {
      this.pointers.get(participant)?.root.remove();
      this.pointers.delete(participant);
      return;
    }
    let pointer = this.pointers.get(participant);
    if (!pointer) {
      pointer = { root: element("div", name ? "pointer" : "pointer own") };
      if (name) pointer.root.append(element("span", "", name));
      this.root.append(pointer.root);
      this.pointers.set(participant, pointer);
    }
    Object.assign(pointer, { x, y, at: now });
    this.move(pointer);
  }

  // place: where the picture lies, or null.
  paint(place, now) {
    this.root.hidden = place === null;
    if (!place) return;
    const { style } = this.root;
    style.left = `${place.x}px`;
    style.top = `${place.y}px`;
    style.width = `${place.width}px`;
    style.height = `${place.height}px`;
    const { x, y, size } = this.part;
    this.svg.setAttribute("viewBox", `${x} ${y} ${size} ${size}`);
    for (const [participant, pointer] of this.pointers) {
      if (now - pointer.at > POINTER_MS) this.point(participant, "", { on: false }, now);
      else this.move(pointer);
    }
  }

  move({ root, x, y }) {
    const { x: left, y: top, size } = this.part;
    root.style.left = `${((x - left) / size) * 100}%`;
    root.style.top = `${((y - top) / size) * 100}%`;
  }
}
