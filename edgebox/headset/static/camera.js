// The device's camera and microphone: opened, opened anew when the system took them away, torch and
// zoom where the browser offers them.

const PICTURE = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
  facingMode: { ideal: "environment" },
};
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const AGAIN_MS = [500, 1000, 2000, 5000];
const ZOOM_STEP = 1.6;

export class Camera {
  // changed(): `stream` is another, or `trouble` is. trouble: "" "denied" "missing" "taken".
  constructor(changed) {
    this.changed = changed;
    this.stream = null;
    this.trouble = "";
    this.torchOn = false;
    this.attempts = 0;
    this.opening = null;
    this.timer = null;
  }

  get track() {
    return this.stream?.getVideoTracks()[0] ?? null;
  }

  get live() {
    return this.track?.readyState === "live";
  }

  open() {
    clearTimeout(this.timer);
    if (this.live) return Promise.resolve();
    this.opening ??= this.acquire().finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  close() {
    clearTimeout(this.timer);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.torchOn = false;
    this.changed();
  }

  async acquire() {
    try {
      this.use(await this.ask({ video: PICTURE, audio: SOUND }));
    } catch (error) {
      this.fail(error);
    }
  }

  // Without a microphone there is still a picture.
  async ask(wishes) {
    try {
      return await navigator.mediaDevices.getUserMedia(wishes);
    } catch (error) {
      if (!["NotFoundError", "NotReadableError"].includes(error.name)) throw error;
      return navigator.mediaDevices.getUserMedia({ video: wishes.video });
    }
  }

  use(stream) {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = stream;
    this.trouble = "";
    this.attempts = 0;
    this.torchOn = false;
    for (const track of stream.getVideoTracks()) {
      track.onended = () => this.again("taken");
    }
    this.changed();
  }

  fail(error) {
    const known = { NotAllowedError: "denied", NotFoundError: "missing" };
    this.again(known[error.name] ?? "taken");
  }

  again(trouble) {
    this.trouble = trouble;
    this.changed();
    const wait = AGAIN_MS[Math.min(this.attempts++, AGAIN_MS.length - 1)];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), wait);
  }

  // What the browser offers of this camera: {torch, zoom: {min, max} or null}.
  get offers() {
    const found = this.live ? (this.track.getCapabilities?.() ?? {}) : {};
    const zoom = found.zoom && found.zoom.max > found.zoom.min ? found.zoom : null;
    return { torch: Boolean(found.torch), zoom };
  }

  async torch() {
    this.torchOn = !this.torchOn;
    await this.apply({ torch: this.torchOn });
  }

  async zoom(closer) {
    const { zoom } = this.offers;
    if (!zoom) return;
    const now = this.track.getSettings().zoom ?? zoom.min;
    const wanted = closer ? Math.max(now, 1) * ZOOM_STEP : now / ZOOM_STEP;
    await this.apply({ zoom: Math.min(zoom.max, Math.max(zoom.min, wanted)) });
  }

  async apply(wish) {
    await this.track?.applyConstraints({ advanced: [wish] }).catch(() => {});
    this.changed();
  }

  mute(muted) {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }
}
