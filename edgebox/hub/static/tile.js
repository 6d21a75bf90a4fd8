// One picture: its video elements change with the connections, its place stays. On it lie the
// frozen picture and what people point at and draw.

import { element, write } from "./dom.js";
import { Ink, fit } from "./ink.js";
import { clock, say } from "./words.js";

const FROZEN_MS = 1000;

export class Tile {
  constructor(camera, pick) {
    this.shown = null; // {stream, video} people see
    this.fresh = null; // {stream, video} that has no frame yet
    this.still = null; // {canvas, part, at}: the person stopped the picture
    this.isHidden = false; // by the crew
    this.root = element("figure", "tile");
    this.root.dataset.camera = camera;
    this.label = element("figcaption", "label");
    this.note = element("p", "note");
    this.words = element("span");
    this.note.append(this.words);
    this.note.hidden = true;
    this.button = element("button", "pick");
    this.button.type = "button";
    this.button.onclick = (event) => {
      if (event.detail > 0) this.button.blur();
      pick(camera);
    };
    this.ink = new Ink();
    this.root.append(this.ink.root, this.note, this.label, this.button);
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
      if (document.pictureInPictureElement === this.shown?.video) {
        video.requestPictureInPicture?.().catch(() => {});
      }
      this.shown?.video.remove();
      this.shown = fresh;
      this.fresh = null;
      sawFrame();
    };
    video.onloadeddata = seen;
    if (video.requestVideoFrameCallback) {
      const frame = (_, metadata) => {
        if (!video.isConnected) return;
        stream.sawPicture(metadata);
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
    this.release();
  }

  // Where the picture lies in the tile, in CSS pixels; null while there is none.
  place() {
    const video = this.shown?.video;
    if (!video?.videoWidth) return null;
    const width = this.still ? this.still.canvas.width : video.videoWidth;
    const height = this.still ? this.still.canvas.height : video.videoHeight;
    return fit(this.root.clientWidth, this.root.clientHeight, width, height);
  }

  // Which part of the sensor's picture is seen: that of the moment it was frozen, if it was.
  get part() {
    return this.still ? this.still.part : this.ink.part;
  }

  // Stop the picture; `part` is what is sent at this moment.
  freeze(part) {
    const video = this.shown?.video;
    if (!video?.videoWidth || this.isHidden) return;
    const canvas = element("canvas", "still");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    this.still = { canvas, part, at: Date.now() };
    this.ink.root.before(canvas);
    this.root.classList.add("stopped");
  }

  release() {
    this.still?.canvas.remove();
    this.still = null;
    this.root.classList.remove("stopped");
  }

  // Say what this picture is at this moment; `camera` is its CameraStatus.
  describe(camera, { number, isMain, now, part, hidden, stills }) {
    write(this.label, this.still ? say("stopped", { camera: camera.name, time: clock(this.still.at) }) : camera.name);
    const key = isMain ? "main" : "swap";
    const text = say(key, { camera: camera.name });
    if (this.button.getAttribute("aria-label") !== text) {
      this.button.setAttribute("aria-label", text);
      this.button.title = isMain ? "" : `${text} (${number})`;
    }
    this.button.disabled = isMain;
    this.root.classList.toggle("main", isMain);
    this.ink.part = this.still ? this.still.part : part;
    this.ink.paint(this.place(), now);
    const last = this.shown?.stream.lastFrameAt ?? null;
    const silence = last === null ? null : now - last;
    const sent = camera.state === "live" && !hidden;
    const late = sent && !stills && silence !== null && silence > FROZEN_MS;
    const resting = this.shown && !sent && (silence ?? 0) > FROZEN_MS;
    this.root.classList.toggle("frozen", Boolean(late || resting) && !this.still);
    // What the crew hid is not left on the screen either.
    if (hidden) this.release();
    this.isHidden = Boolean(hidden);
    this.root.classList.toggle("hidden", this.isHidden);
    const note = this.noteFor(camera, { hidden, late, resting, silence, stills });
    write(this.words, note);
    this.note.hidden = !note || Boolean(this.still);
  }

  noteFor(camera, { hidden, late, resting, silence, stills }) {
    if (["absent", "failed"].includes(camera.state)) return say(`camera.${camera.state}`);
    if (hidden) return say("camera.hidden");
    const seconds = Math.floor((silence ?? 0) / 1000);
    if (late) return say("frozen", { seconds });
    if (resting) return say("camera.resting");
    if (stills && this.shown && silence > FROZEN_MS) return "";
    if (!this.shown) return say(camera.state === "starting" ? "camera.starting" : "camera.waiting");
    return "";
  }
}
