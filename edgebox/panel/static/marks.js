// What remote help points at and draws, over the picture that goes out. Places are fractions of the
// whole sensor picture; `part` says which part of it is sent.

import { find, say, setText } from "./page.js";

const POINTER_MS = 2_000;
const SIDE = 1_000;
const SVG = "http://www.w3.org/2000/svg";

const overlay = find("marks");
const video = find("video");
const pointers = new Map();
const lines = new Map();

let camera = "";
let part = [0, 0, 1];
let names = new Map();

/** Take the state's picture: which camera is shown, which part of it, what cameras are called. */
export function drawMarks(state) {
  const shown = state.cameras.find((one) => one.id === state.preview);
  const was = `${camera} ${part}`;
  camera = state.hidden ? "" : state.preview;
  part = shown?.part ?? [0, 0, 1];
  names = new Map(state.cameras.map((one) => [one.id, one.name]));
  if (was !== `${camera} ${part}`) redraw();
}

/** Take changes from the server. */
export function mark(changes) {
  for (const change of changes) {
    if (change.kind === "point") point(change);
    else if (change.kind === "line") lengthen(change);
    else wipe(change.camera);
  }
  redraw();
}

/** Keep the overlay on the picture, whatever the size of either. */
export function prepareMarks() {
  const fit = () => {
    const { clientWidth: width, clientHeight: height } = video.parentElement;
    const ratio = video.videoWidth / video.videoHeight || 16 / 9;
    const shownWidth = Math.min(width, height * ratio);
    const shownHeight = shownWidth / ratio;
    overlay.style.left = `${(width - shownWidth) / 2}px`;
    overlay.style.top = `${(height - shownHeight) / 2}px`;
    overlay.style.width = `${shownWidth}px`;
    overlay.style.height = `${shownHeight}px`;
  };
  new ResizeObserver(fit).observe(video.parentElement);
  video.addEventListener("resize", fit);
  fit();
}

function point(change) {
  const before = pointers.get(change.by);
  clearTimeout(before?.timer);
  pointers.delete(change.by);
  if (!change.on) return;
  const timer = setTimeout(() => {
    pointers.delete(change.by);
    redraw();
  }, POINTER_MS);
  pointers.set(change.by, { ...change, timer });
}

function lengthen(change) {
  const key = `${change.camera} ${change.by} ${change.stroke}`;
  const line = lines.get(key) ?? { camera: change.camera, points: [] };
  line.points.push(...change.points);
  lines.set(key, line);
}

function wipe(of) {
  for (const [key, line] of lines) if (!of || line.camera === of) lines.delete(key);
}

function redraw() {
  const drawn = [];
  for (const line of lines.values()) {
    if (line.camera !== camera) continue;
    const points = line.points.map(placed).map(([x, y]) => `${x},${y}`).join(" ");
    drawn.push(shape("polyline", "under", { points }), shape("polyline", "line", { points }));
  }
  for (const one of pointers.values()) {
    if (one.camera !== camera) continue;
    const [x, y] = placed(one.points[0]);
    drawn.push(shape("path", "under", { d: `M${x} ${y}h0` }));
    drawn.push(shape("path", "pointer", { d: `M${x} ${y}h0` }));
  }
  overlay.replaceChildren(...drawn);
  setText(find("pointing"), [...pointers.values()].map(sentence).join(" "));
}

function sentence(pointer) {
  const name = pointer.camera === camera ? "marks.points" : "marks.points-elsewhere";
  const where = names.get(pointer.camera) ?? "";
  return say(name).replace("{name}", pointer.name).replace("{camera}", where);
}

function placed([x, y]) {
  const [left, top, size] = part;
  return [Math.round(((x - left) / size) * SIDE), Math.round(((y - top) / size) * SIDE)];
}

function shape(kind, className, attributes) {
  const made = document.createElementNS(SVG, kind);
  made.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
