// The pictures and their places, the words about the situation, full screen.

import { $, element, name, press, write } from "./dom.js";
import { Tile } from "./tile.js";
import { say } from "./words.js";

export class View {
  // tiles: Map of camera -> Tile. guide(): the Guide, for which part of a picture is sent. focus(camera): the person made it the
  // main picture; true if the box was told.
  constructor({ tiles, guide, focus }) {
    this.guide = guide;
    this.focus = focus;
    this.tiles = tiles;
    this.chosen = null; // camera the person made large here; null follows the ambulance
    this.order = [];
    this.cameras = [];
    this.setUpFullscreen();
    this.setUpFloating();
  }

  setUpFullscreen() {
    const button = $("fullscreen");
    this.canFill = Boolean(document.documentElement.requestFullscreen && document.fullscreenEnabled);
    press(button, () => this.toggleFullscreen());
    document.addEventListener("fullscreenchange", () => {
      const full = document.fullscreenElement !== null;
      document.body.classList.toggle("full", full);
      name(button, say(full ? "fullscreen.exit" : "fullscreen"));
    });
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.canFill) document.documentElement.requestFullscreen().catch(() => {});
    // iPhones fill the screen with a video element only.
    else this.mainVideo?.webkitEnterFullscreen?.();
  }

  // Picture in picture: a small window that stays in sight above other programs.
  setUpFloating() {
    this.canFloat = Boolean(document.pictureInPictureEnabled);
    press($("float"), () => this.toggleFloating());
  }

  toggleFloating() {
    if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
    else this.mainVideo?.requestPictureInPicture?.().catch(() => {});
  }

  get mainVideo() {
    return this.tiles.get(this.main)?.shown?.video ?? null;
  }

  // True if the key was for us.
  key(event) {
    if (event.key === "f" || event.key === "F") this.toggleFullscreen();
    const camera = /^[1-9]$/.test(event.key) ? this.order[Number(event.key) - 1] : undefined;
    if (camera) this.pick(camera);
  }

  pick(camera) {
    if (camera === this.main) return;
    this.chosen = camera;
    // Told to the box, it becomes the large picture for everybody; the order follows.
    this.chosenFrom = this.focus(camera) ? this.order[0] : null;
    this.refresh();
  }

  get main() {
    return this.order.includes(this.chosen) ? this.chosen : this.order[0];
  }

  // {camera, name, tile} of the large picture, or null.
  get mainTile() {
    const tile = this.tiles.get(this.main);
    const camera = this.cameras.find((one) => one.id === this.main);
    return tile && camera ? { camera: camera.id, name: camera.name, tile } : null;
  }

  // cameras: CameraStatus of what is sent, main first. watch: whose streams are shown.
  showPictures(cameras, watch, { hidden, stills }) {
    this.order = cameras.map((camera) => camera.id);
    // The ambulance shows another main picture than when this person chose one: follow it.
    if (this.chosenFrom && this.order[0] !== this.chosenFrom) this.chosen = this.chosenFrom = null;
    Object.assign(this, { cameras, hidden, stills });
    for (const [id, tile] of this.tiles) {
      if (!this.order.includes(id)) {
        tile.clear();
        tile.root.remove();
        this.tiles.delete(id);
      }
    }
    for (const camera of cameras) {
      if (!this.tiles.has(camera.id)) {
        const tile = new Tile(camera.id, (id) => this.pick(id));
        this.tiles.set(camera.id, tile);
        $("stage").append(tile.root);
      }
    }
    for (const [camera, { stream, peer }] of watch.newestStreams()) {
      this.tiles
        .get(camera)
        ?.take(stream, () => watch.sawFrame(peer), (video) => this.offerPlay(video));
    }
    if (!watch.connections().length) this.tiles.forEach((tile) => tile.clear());
    this.refresh();
  }

  // Notes and places, as time goes on.
  refresh() {
    const now = performance.now();
    const { main, hidden, stills } = this;
    this.cameras.forEach((camera, index) => {
      const part = this.guide().part(camera.id, camera.part);
      const tile = this.tiles.get(camera.id);
      const isMain = camera.id === main;
      if (!isMain) tile?.release();
      tile?.describe(camera, { number: index + 1, isMain, now, part, hidden, stills });
    });
    if (hidden && document.pictureInPictureElement) {
      document.exitPictureInPicture().catch(() => {});
    }
    const any = [...this.tiles.values()].some((tile) => tile.shown);
    document.body.classList.toggle("has-picture", any);
    $("tools").hidden = !any;
    $("fullscreen").hidden = !(this.canFill || this.mainVideo?.webkitEnterFullscreen);
    $("float").hidden = !this.canFloat;
    $("float").setAttribute("aria-pressed", String(Boolean(document.pictureInPictureElement)));
  }

  // A browser that saves power shows nothing until it is touched.
  offerPlay(video) {
    if ($("play")) return;
    const button = element("button", "primary", say("play"));
    button.id = "play";
    button.type = "button";
    button.onclick = () => {
      button.remove();
      document.querySelectorAll("#stage video").forEach((one) => one.play().catch(() => {}));
    };
    video.addEventListener("playing", () => button.remove(), { once: true });
    $("pictures").append(button);
  }

  showSituation({ name: situation, title, detail, tone }, vehicle) {
    document.body.dataset.tone = tone;
    document.body.dataset.situation = situation;
    write($("vehicle"), vehicle);
    write($("title"), title);
    write($("detail"), detail);
    write($("notice-title"), title);
    write($("notice-detail"), detail);
    document.title = `${vehicle} – ${title}`;
  }

  end() {
    document.body.classList.add("ended");
    this.tiles.forEach((tile) => {
      tile.clear();
      tile.root.remove();
    });
    this.tiles.clear();
    this.order = [];
    this.cameras = [];
    $("play")?.remove();
    if (document.fullscreenElement) document.exitFullscreen();
    if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
    this.refresh();
  }
}
