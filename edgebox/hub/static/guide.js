// What goes over the data channel, and what comes: where others point and draw, which part of each
// picture is sent, stills (edgebox/media/data_messages.py says what each message holds).

export class Guide {
  // tell(message, lossy): as Watch.tell. tiles: Map of camera -> Tile. me: participant id.
  // still: Still. denied(message): what was asked is not done. changed(): another part is seen.
  constructor({ tell, tiles, me, still, denied, changed }) {
    this.changed = changed;
    this.tell = tell;
    this.tiles = tiles;
    this.me = me;
    this.still = still;
    this.denied = denied;
    this.views = new Map(); // camera -> {x, y, size, movable}
  }

  tile(camera) {
    return this.tiles.get(camera);
  }

  receive(data) {
    if (typeof data !== "string") {
      this.still.chunk(data);
      return;
    }
    const message = JSON.parse(data);
    const ink = this.tile(message.camera)?.ink;
    const now = performance.now();
    switch (message.type) {
      case "View":
        this.views.set(message.camera, message);
        this.still.again(this); // the first word over a connection
        this.changed();
        break;
      case "Pointed":
        if (message.participant !== this.me) {
          ink?.point(message.participant, message.name, message, now);
        }
        break;
      case "Drawn":
        this.drawn(ink, message);
        break;
      case "Erased":
        ink?.erase();
        break;
      case "StillStart":
        this.still.begin(message);
        break;
      case "Denied":
        if (message.what === "TakeStill") this.still.fail(message);
        this.denied(message);
        break;
    }
  }

  // One's own lines come back as well: what is on the screen already is not drawn twice.
  drawn(ink, { participant, stroke, points }) {
    const key = `${participant}/${stroke}`;
    if (participant === this.me && this.tracing?.has(key)) return;
    ink?.draw(key, points, participant === this.me);
  }

  // A line of one's own, as far as it has got: on the screen at once, and to everybody.
  draw(camera, stroke, points) {
    const key = `${this.me}/${stroke}`;
    this.tracing ??= new Set();
    this.tracing.add(key);
    this.tile(camera)?.ink.draw(key, points, true);
    return this.tell({ type: "Draw", camera, stroke, points });
  }

  point(camera, on, x = 0, y = 0) {
    this.tile(camera)?.ink.point(this.me, "", { on, x, y }, performance.now());
    // The end must arrive, a place on the way need not.
    return this.tell({ type: "Point", camera, on, x, y }, on);
  }

  erase(camera) {
    return this.tell({ type: "Erase", camera });
  }

  focus(camera) {
    return this.tell({ type: "Focus", camera });
  }

  // Which part of this camera's sensor picture is seen. `told`: CameraStatus.part.
  part(camera, told) {
    const view = this.views.get(camera);
    if (view) return { x: view.x, y: view.y, size: view.size };
    const [x, y, size] = told ?? [0, 0, 1];
    return { x, y, size };
  }

  movable(camera) {
    return Boolean(this.views.get(camera)?.movable);
  }

  // Another connection tells views and lines anew.
  reset() {
    this.views.clear();
    this.tracing?.clear();
    this.tiles.forEach((tile) => tile.ink.erase());
    this.still.interrupt();
  }
}
