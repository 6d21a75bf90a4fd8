// What a person who guides can do to the main picture: point, draw, wipe, freeze, take a still, zoom
// and pan, turn the camera, write and show to who wears it. By mouse, finger and keyboard.

import { $, press, write } from "./dom.js";
import { show } from "./show.js";
import { say } from "./words.js";
import { SIZE_MIN, Zoom, inside, scaled } from "./zoom.js";

const POINT_MS = 50; // places pointed at, at most this often
const DRAW_MS = 50;
const POINTS_MAX = 200; // in one Draw
const STEP = 0.02; // of the picture, for arrow keys
const PAN_STEP = 0.1; // of what is seen
const ZOOM_STEP = 0.8;
const WHEEL = 0.0015;
const MOVE_MS = 300; // a Move lasts a second at most
const MOVE_SPEED = 0.6;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Tools {
  // main(): {camera, tile} of the large picture, or null. guide: Guide. still: Still.
  // part(camera): what of it is seen. canGuide(): whether the box listens now. changed(): the
  // picture was frozen or let go. sent(what): "text" or "picture" is on its way to who wears the
  // camera, or "nothing": it could not be sent.
  constructor({ main, guide, still, part, canGuide, changed, sent }) {
    Object.assign(this, { main, guide, still, part, canGuide, changed, sent });
    this.mode = null; // null, "point" or "draw"
    this.pointers = new Map(); // pointerId -> {x, y}: fingers on the picture
    this.cursor = { x: 0.5, y: 0.5 }; // where the keyboard points
    this.zoom = new Zoom((camera, part_) => guide.tell({ type: "Zoom", camera, ...part_ }));
    this.setUpButtons();
    this.setUpWriting();
    this.setUpPointers($("stage"));
    this.setUpMoves();
  }

  setUpButtons() {
    press($("point"), () => this.toggle("point"));
    press($("draw"), () => this.toggle("draw"));
    press($("erase"), () => this.erase());
    press($("freeze"), () => this.freeze());
    press($("take-still"), () => this.takeStill());
    press($("zoom-in"), () => this.zoomBy(ZOOM_STEP));
    press($("zoom-out"), () => this.zoomBy(1 / ZOOM_STEP));
    press($("zoom-all"), () => this.zoomTo({ x: 0, y: 0, size: 1 }));
  }

  setUpWriting() {
    $("write").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("write-text").value.trim();
      const main = this.main();
      if (!text || !main || !this.canGuide()) return;
      this.guide.tell({ type: "Write", camera: main.camera, text });
      $("write-text").value = "";
      this.sent("text");
    });
    press($("show"), () => this.showPicture());
  }

  // What is seen here, with its lines, on the display of who wears the camera.
  async showPicture() {
    const main = this.main();
    if (!main || !this.canGuide()) return;
    $("show").disabled = true;
    const done = await show(main.tile, main.camera, (what) => this.guide.tell(what));
    $("show").disabled = false;
    this.sent(done ? "picture" : "nothing");
  }

  setUpPointers(stage) {
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      stage.addEventListener(kind, (event) => this.up(event));
    }
    stage.addEventListener("pointerleave", () => {
      if (!this.pointers.size) this.stopPointing();
    });
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  setUpMoves() {
    for (const button of document.querySelectorAll("#moves button")) {
      const [pan, tilt, zoom] = button.dataset.move.split(" ").map((one) => one * MOVE_SPEED);
      const go = () => this.move({ pan, tilt, zoom });
      button.addEventListener("pointerdown", (event) => {
        button.setPointerCapture(event.pointerId);
        go();
        clearInterval(this.moving);
        this.moving = setInterval(go, MOVE_MS);
      });
      for (const kind of ["pointerup", "pointercancel"]) {
        button.addEventListener(kind, () => this.stopMoving());
      }
      // By keyboard: one press is one small turn.
      button.addEventListener("click", (event) => {
        if (event.detail > 0) return;
        go();
        setTimeout(() => this.stopMoving(), MOVE_MS);
      });
    }
  }

  move(speed) {
    const main = this.main();
    if (main) this.guide.tell({ type: "Move", camera: main.camera, ...speed });
  }

  stopMoving() {
    if (this.moving) clearInterval(this.moving);
    this.moving = null;
    this.move({ pan: 0, tilt: 0, zoom: 0 });
  }

  toggle(mode) {
    this.stopPointing();
    this.mode = this.mode === mode || !this.canGuide() ? null : mode;
    this.refresh();
    if (this.mode === "point") this.cursor = { x: 0.5, y: 0.5 };
  }

  erase() {
    const main = this.main();
    if (main) this.guide.erase(main.camera);
  }

  freeze() {
    const main = this.main();
    if (!main) return;
    if (main.tile.still) main.tile.release();
    else main.tile.freeze(this.part(main.camera));
    this.changed();
  }

  takeStill() {
    const main = this.main();
    if (main && this.canGuide()) this.still.take(main.camera, main.name, this.guide);
  }

  // Zooming

  zoomTo(part) {
    const main = this.main();
    if (main && this.canZoom(main)) this.zoom.to(main.camera, part);
  }

  canZoom({ tile }) {
    return this.canGuide() && !tile.still;
  }

  // at: a point of the sensor's picture, by default the middle of what is seen.
  zoomBy(factor, at = null) {
    const main = this.main();
    if (!main) return;
    const base = this.zoom.base(main.camera, this.part(main.camera));
    const middle = { x: base.x + base.size / 2, y: base.y + base.size / 2 };
    this.zoomTo(scaled(base, factor, at ?? middle));
  }

  // dx, dy: in parts of what is seen.
  panBy(dx, dy) {
    const main = this.main();
    if (!main) return;
    const base = this.zoom.base(main.camera, this.part(main.camera));
    if (base.size > 0.999) return;
    this.zoomTo(inside({ ...base, x: base.x + dx * base.size, y: base.y + dy * base.size }));
  }

  wheel(event) {
    const at = this.where(event);
    if (!at || !this.canGuide()) return;
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    this.zoomBy(Math.exp(pixels * WHEEL), at.sensor);
  }

  // Pointers

  // Where on the main picture: {camera, seen, sensor}; null beside it.
  where(event) {
    const main = this.main();
    const place = main?.tile.place();
    if (!place) return null;
    const box = main.tile.root.getBoundingClientRect();
    const x = (event.clientX - box.x - place.x) / place.width;
    const y = (event.clientY - box.y - place.y) / place.height;
    if (x < 0 || x > 1 || y < 0 || y > 1) return null;
    const { part } = main.tile;
    const sensor = { x: part.x + x * part.size, y: part.y + y * part.size };
    return { camera: main.camera, seen: { x, y }, sensor };
  }

  down(event) {
    const at = event.target.closest("button") ? null : this.where(event);
    if (!at || !this.canGuide() || event.button > 0) return;
    this.pointers.set(event.pointerId, at);
    $("stage").setPointerCapture(event.pointerId);
    if (this.pointers.size === 2) {
      this.endStroke();
      this.stopPointing();
      this.pinch = this.span();
    } else if (this.mode === "draw") this.startStroke(at);
    else if (this.mode === "point") this.pointAt(at);
  }

  moved(event) {
    const at = this.where(event);
    const held = this.pointers.get(event.pointerId);
    if (!at) return;
    if (held && this.pointers.size === 2) this.pinched(event.pointerId, at);
    else if (this.mode === "draw" && held) this.addToStroke(at);
    else if (this.mode === "point" && (held || event.pointerType === "mouse")) this.pointAt(at);
    else if (!this.mode && held) this.dragged(event.pointerId, held, at);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.pinch = null;
    this.endStroke();
    if (event.pointerType !== "mouse") this.stopPointing();
  }

  dragged(id, from, to) {
    this.panBy(from.seen.x - to.seen.x, from.seen.y - to.seen.y);
    this.pointers.set(id, to);
  }

  // Distance and middle of two fingers, in parts of what is seen.
  span() {
    const [a, b] = [...this.pointers.values()].map((one) => one.seen);
    return {
      length: Math.hypot(a.x - b.x, a.y - b.y),
      middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
    };
  }

  pinched(id, at) {
    const before = this.span();
    this.pointers.set(id, at);
    const after = this.span();
    const main = this.main();
    if (!main || after.length < 0.02 || before.length < 0.02) return;
    const base = this.zoom.base(main.camera, this.part(main.camera));
    const on = (seen) => ({ x: base.x + seen.x * base.size, y: base.y + seen.y * base.size });
    this.zoomBy(before.length / after.length, on(after.middle));
    this.panBy(before.middle.x - after.middle.x, before.middle.y - after.middle.y);
  }

  // Pointing

  pointAt({ camera, sensor }) {
    this.pointing = { camera, ...sensor };
    this.cursor = sensor;
    const now = performance.now();
    if (now - (this.pointedAt ?? 0) < POINT_MS) return;
    this.sayPoint(now);
  }

  sayPoint(now) {
    this.pointedAt = now;
    const { camera, x, y } = this.pointing;
    this.guide.point(camera, true, x, y);
  }

  stopPointing() {
    if (!this.pointing) return;
    this.guide.point(this.pointing.camera, false);
    this.pointing = null;
  }

  // Drawing

  startStroke({ camera, sensor }) {
    const [stroke] = crypto.getRandomValues(new Uint32Array(1));
    this.stroke = { camera, id: stroke >>> 1, points: [[sensor.x, sensor.y]], sent: 0 };
    this.strokeTimer = setInterval(() => this.sendStroke(), DRAW_MS);
  }

  addToStroke({ camera, sensor }) {
    if (this.stroke?.camera === camera) this.stroke.points.push([sensor.x, sensor.y]);
  }

  sendStroke() {
    const { camera, id, points, sent } = this.stroke;
    const added = points.slice(sent, sent + POINTS_MAX);
    if (!added.length) return;
    this.stroke.sent += added.length;
    this.guide.draw(camera, id, added);
  }

  endStroke() {
    if (!this.stroke) return;
    clearInterval(this.strokeTimer);
    // A dot is a line as well.
    if (this.stroke.points.length === 1) this.stroke.points.push([...this.stroke.points[0]]);
    while (this.stroke.sent < this.stroke.points.length) this.sendStroke();
    this.stroke = null;
  }

  // Keyboard; true if the key was for us.

  key(event) {
    const actions = {
      p: () => this.toggle("point"),
      d: () => this.toggle("draw"),
      e: () => this.erase(),
      z: () => this.freeze(),
      b: () => this.takeStill(),
      "+": () => this.zoomBy(ZOOM_STEP),
      "-": () => this.zoomBy(1 / ZOOM_STEP),
      0: () => this.zoomTo({ x: 0, y: 0, size: 1 }),
      Escape: () => this.toggle(this.mode),
    };
    const arrow = ARROWS[event.key];
    if (arrow && this.canGuide()) return this.arrow(arrow);
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    action?.();
    return Boolean(action);
  }

  arrow([dx, dy]) {
    const main = this.main();
    if (!main) return false;
    if (this.mode !== "point") {
      this.panBy(dx * PAN_STEP, dy * PAN_STEP);
      return true;
    }
    const { x, y, size } = main.tile.part;
    const clamp = (value, low) => Math.min(low + size, Math.max(low, value));
    const sensor = {
      x: clamp(this.cursor.x + dx * STEP * size, x),
      y: clamp(this.cursor.y + dy * STEP * size, y),
    };
    this.pointAt({ camera: main.camera, sensor });
    return true;
  }

  // What the buttons say; called often.
  refresh() {
    const main = this.main();
    const can = this.canGuide();
    if (!can && this.mode) this.mode = null;
    // A finger that rests still points.
    const now = performance.now();
    if (this.pointing && now - this.pointedAt > 500) this.sayPoint(now);
    $("stage").dataset.mode = this.mode ?? "";
    $("stage").classList.toggle("guided", can);
    for (const mode of ["point", "draw"]) {
      $(mode).setAttribute("aria-pressed", String(this.mode === mode));
    }
    const stopped = Boolean(main?.tile.still);
    $("freeze").setAttribute("aria-pressed", String(stopped));
    write($("freeze").querySelector("span"), say(stopped ? "tool.unfreeze" : "tool.freeze"));
    const part = main ? this.part(main.camera) : { size: 1 };
    const zoomable = Boolean(main && this.canZoom(main));
    $("zoom-in").disabled = !zoomable || part.size <= SIZE_MIN + 0.001;
    $("zoom-out").disabled = $("zoom-all").disabled = !zoomable || part.size > 0.999;
    for (const id of ["point", "draw", "erase", "take-still"]) $(id).disabled = !can || !main;
    $("freeze").disabled = !main?.tile.shown || main.tile.isHidden;
    // Somebody wears this camera, or holds it (edgebox/media/headset_camera.py names them).
    $("write").hidden = !can || !main?.camera.startsWith("headset-");
    $("moves").hidden = !can || !main || !this.guide.movable(main.camera);
  }
}
