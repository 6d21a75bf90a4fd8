// The person's own microphone, camera and loudspeaker: which, whether on, and what is wrong.
//
// Both start off; nothing is asked for before a button is pressed. A microphone that is off sends
// nothing at all; its device stays open after the first use, so that push-to-talk is immediate.

const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 20, max: 25 } };
const KIND = { audio: "audioinput", video: "videoinput" };
const PROBLEMS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

export class Device {
  // kind: "audio" or "video". give(track): send it to the cabin, or null. changed(): anything did.
  constructor(kind, constraints, { give, changed }) {
    this.kind = kind;
    this.constraints = constraints;
    this.give = give;
    this.changed = changed;
    this.track = null;
    this.on = false;
    this.starting = false;
    this.problem = ""; // "", "missing", "refused", "none", "busy", "gone"
    this.chosen = ""; // device id
  }

  async switchOn() {
    this.wished = true;
    if (!this.track) await this.open();
    if (!this.track || !this.wished) return;
    this.on = true;
    this.give(this.track);
    this.changed();
  }

  switchOff({ release = false } = {}) {
    this.wished = false;
    this.on = false;
    this.give(null);
    if (release) this.release();
    this.changed();
  }

  async choose(id) {
    this.chosen = id;
    this.facing = null;
    const wasOn = this.on;
    this.release();
    this.on = false;
    if (wasOn) await this.switchOn();
  }

  // Phones: the camera at the other side.
  async turn() {
    this.facing = (this.facing ?? this.constraints.facingMode?.ideal) === "user" ? "environment" : "user";
    this.chosen = "";
    this.release();
    if (this.on) await this.switchOn();
  }

  async open() {
    if (this.starting) return;
    if (!navigator.mediaDevices?.getUserMedia) {
      this.problem = "missing";
      this.changed();
      return;
    }
    this.starting = true;
    this.changed();
    const wish = { ...this.constraints };
    if (this.facing) wish.facingMode = { ideal: this.facing };
    if (this.chosen) {
      delete wish.facingMode;
      wish.deviceId = { exact: this.chosen };
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ [this.kind]: wish });
      [this.track] = stream.getTracks();
      this.problem = "";
      this.track.onended = () => this.lose();
    } catch (error) {
      this.problem = PROBLEMS[error.name] ?? "busy";
      // A device that was chosen and is gone: next time, any.
      if (this.problem === "none") this.chosen = "";
    } finally {
      this.starting = false;
      this.changed();
    }
  }

  // The device was pulled out or the browser took it away.
  lose() {
    this.track = null;
    if (this.on) this.problem = "gone";
    this.on = false;
    this.give(null);
    this.changed();
  }

  release() {
    if (!this.track) return;
    this.track.onended = null;
    this.track.stop();
    this.track = null;
  }

  // Id of the device in use.
  get current() {
    return this.track?.getSettings().deviceId ?? this.chosen;
  }

  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter((one) => one.kind === KIND[this.kind] && one.deviceId);
  }
}

export const microphone = (hooks) => new Device("audio", SOUND, hooks);

export const camera = (facing, hooks) =>
  new Device("video", { ...PICTURE, facingMode: { ideal: facing } }, hooks);

// How loud a track is, 0 to 1; only to show that the microphone works.
export class Level {
  follow(track) {
    if (track === this.track) return;
    this.track = track;
    this.source?.disconnect();
    this.source = null;
    if (!track || !globalThis.AudioContext) return;
    this.context ??= new AudioContext();
    this.analyser ??= new AnalyserNode(this.context, { fftSize: 512 });
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
  }

  read() {
    if (!this.source) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
    return Math.min(1, Math.sqrt(power) * 6);
  }
}
