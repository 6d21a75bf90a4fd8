// What people see: the pictures and their notes, the words about the situation, who is there.

import { say } from "./words.js";

const FROZEN_MS = 1000;
const SURE_MS = 4000;
const $ = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A text that is set only when it changes, so that screen readers speak once.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// One picture: its video elements change with the connections, its place stays.
class Tile {
  constructor(camera, pick) {
    this.shown = null; // {stream, video} people see
    this.fresh = null; // {stream, video} that has no frame yet
    this.root = element("figure", "tile");
    this.root.dataset.camera = camera;
    this.label = element("figcaption", "label");
    this.note = element("p", "note");
    this.note.hidden = true;
    this.button = element("button", "pick");
    this.button.type = "button";
    this.button.onclick = () => pick(camera);
    this.root.append(this.note, this.label, this.button);
  }

  // Show this stream as soon as it has a frame; until then the old picture stays.
  // sawFrame(): the stream has one. blocked(video): the browser wants a touch first.
  take(stream, sawFrame, blocked) {
    if (this.fresh && this.fresh.stream !== stream) this.dropFresh();
    if (this.fresh || this.shown?.stream === stream) return;
    const video = element("video");
    Object.assign(video, { autoplay: true, muted: true, playsInline: true, tabIndex: -1 });
    video.setAttribute("aria-hidden", "true");
    video.disableRemotePlayback = true;
    const fresh = { stream, video };
    this.fresh = fresh;
    const seen = () => {
      stream.sawFrame(performance.now());
      if (this.fresh !== fresh) return;
      this.shown?.video.remove();
      this.shown = fresh;
      this.fresh = null;
      sawFrame();
    };
    video.onloadeddata = seen;
    if (video.requestVideoFrameCallback) {
      const frame = () => {
        if (!video.isConnected) return;
        seen();
        video.requestVideoFrameCallback(frame);
      };
      video.requestVideoFrameCallback(frame);
    }
    this.root.prepend(video);
    video.srcObject = stream.media;
    video.play().catch((error) => {
      if (error.name === "NotAllowedError") blocked(video);
    });
  }

  dropFresh() {
    this.fresh?.video.remove();
    this.fresh = null;
  }

  clear() {
    this.dropFresh();
    this.shown?.video.remove();
    this.shown = null;
  }

  // Say what this picture is at this moment; `camera` is its CameraStatus.
  describe(camera, number, isMain, now) {
    write(this.label, camera.name);
    const key = isMain ? "main" : "swap";
    const name = say(key, { camera: camera.name });
    if (this.button.getAttribute("aria-label") !== name) {
      this.button.setAttribute("aria-label", name);
      this.button.title = isMain ? "" : `${name} (${number})`;
    }
    this.root.classList.toggle("main", isMain);
    const last = this.shown?.stream.lastFrameAt ?? null;
    const silence = last === null ? null : now - last;
    const frozen = silence !== null && silence > FROZEN_MS;
    this.root.classList.toggle("frozen", frozen);
    let note = "";
    if (["absent", "failed"].includes(camera.state)) note = say(`camera.${camera.state}`);
    else if (frozen) note = say("frozen", { seconds: Math.floor(silence / 1000) });
    else if (!this.shown) {
      note = say(camera.state === "starting" ? "camera.starting" : "camera.waiting");
    }
    write(this.note, note);
    this.note.hidden = !note;
  }
}

export class View {
  // leave(): the person really wants to.
  constructor(leave) {
    this.tiles = new Map();
    this.chosen = null; // camera the person made large; null follows the ambulance
    this.order = [];
    this.setUpLeave(leave);
    this.setUpFullscreen();
    document.addEventListener("keydown", (event) => this.handleKey(event));
  }

  setUpLeave(leave) {
    const button = $("leave");
    let asked = null;
    button.onclick = () => {
      if (asked !== null) {
        leave();
        return;
      }
      write(button, say("leave.sure"));
      button.classList.add("sure");
      asked = setTimeout(() => {
        asked = null;
        write(button, say("leave"));
        button.classList.remove("sure");
      }, SURE_MS);
    };
  }

  setUpFullscreen() {
    const button = $("fullscreen");
    this.canFill = Boolean(document.documentElement.requestFullscreen && document.fullscreenEnabled);
    button.onclick = () => this.toggleFullscreen();
    document.addEventListener("fullscreenchange", () => {
      const full = document.fullscreenElement !== null;
      document.body.classList.toggle("full", full);
      button.title = say(full ? "fullscreen.exit" : "fullscreen");
      button.setAttribute("aria-label", button.title);
    });
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.canFill) document.documentElement.requestFullscreen().catch(() => {});
    // iPhones fill the screen with a video element only.
    else this.tiles.get(this.main)?.shown?.video.webkitEnterFullscreen?.();
  }

  handleKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.key === "f" || event.key === "F") this.toggleFullscreen();
    const camera = /^[1-9]$/.test(event.key) ? this.order[Number(event.key) - 1] : undefined;
    if (camera) this.pick(camera);
  }

  pick(camera) {
    this.chosen = camera;
    this.repaint?.();
  }

  get main() {
    return this.order.includes(this.chosen) ? this.chosen : this.order[0];
  }

  // cameras: CameraStatus of what is sent, main first. watch: whose streams are shown.
  showPictures(cameras, watch) {
    this.order = cameras.map((camera) => camera.id);
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
    $("keys").hidden = cameras.length === 0 || !matchMedia("(hover: hover)").matches;
    this.cameras = cameras;
    this.refresh();
  }

  // Notes and places, as time goes on.
  refresh() {
    const now = performance.now();
    const main = this.main;
    (this.cameras ?? []).forEach((camera, index) => {
      this.tiles.get(camera.id)?.describe(camera, index + 1, camera.id === main, now);
    });
    const any = [...this.tiles.values()].some((tile) => tile.shown);
    document.body.classList.toggle("has-picture", any);
    const video = this.tiles.get(main)?.shown?.video;
    $("fullscreen").hidden = !any || !(this.canFill || video?.webkitEnterFullscreen);
  }

  // A browser that saves power shows nothing until it is touched.
  offerPlay(video) {
    if ($("play")) return;
    const button = element("button", "primary", say("play"));
    button.id = "play";
    button.type = "button";
    button.onclick = () => {
      button.remove();
      document.querySelectorAll("video").forEach((one) => one.play().catch(() => {}));
    };
    video.addEventListener("playing", () => button.remove(), { once: true });
    $("pictures").append(button);
  }

  showSituation({ title, detail, tone }, vehicle) {
    document.body.dataset.tone = tone;
    write($("vehicle"), vehicle);
    write($("title"), title);
    write($("detail"), detail);
    write($("notice-title"), title);
    write($("notice-detail"), detail);
    document.title = `${vehicle} – ${title}`;
  }

  showPeople(people, you) {
    const rows = people.map((person) => {
      const row = element("li", person.state);
      const name = element("span", "name", person.name);
      if (person.id === you) name.append(element("small", "", ` (${say("you")})`));
      const words = [say(`role.${person.role}`), say(person.state)];
      if (person.sees) words.push(say("watching"));
      row.append(
        element("span", person.sees ? "mark watching" : "mark"),
        name,
        element("span", "presence", words.join(", ")),
      );
      return row;
    });
    const list = $("list");
    const made = rows.map((row) => row.outerHTML).join("");
    if (this.listed !== made) {
      this.listed = made;
      list.replaceChildren(...rows);
      if (people.length < 2) list.append(element("li", "alone", say("alone")));
    }
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
    $("leave").hidden = true;
    $("people").hidden = true;
    $("keys").hidden = true;
    $("play")?.remove();
    if (document.fullscreenElement) document.exitFullscreen();
    this.refresh();
  }
}
