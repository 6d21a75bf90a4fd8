// Plays the sound of the cabin, and knows when the browser will not without a press.

export class Sound {
  // changed(): blocked or not blocked any more.
  constructor(changed) {
    this.changed = changed;
    this.blocked = false;
    this.element = document.createElement("audio");
    this.element.autoplay = true;
    this.media = null;
    this.sink = "";
    document.body.append(this.element);
  }

  // media: MediaStream or null.
  take(media) {
    if (media === this.media) return;
    this.media = media;
    this.element.srcObject = media;
    if (media) this.play();
    else this.set(false);
  }

  async play() {
    try {
      await this.element.play();
      this.set(false);
    } catch (error) {
      // Others: it was replaced meanwhile.
      if (error.name === "NotAllowedError") this.set(true);
    }
  }

  set(blocked) {
    if (this.blocked === blocked) return;
    this.blocked = blocked;
    this.changed();
  }

  get canChoose() {
    return "setSinkId" in this.element && Boolean(navigator.mediaDevices?.enumerateDevices);
  }

  async choose(id) {
    try {
      await this.element.setSinkId(id);
      this.sink = id;
    } catch {
      this.sink = "";
    }
  }

  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter((one) => one.kind === "audiooutput" && one.deviceId);
  }

  end() {
    this.take(null);
    this.element.remove();
  }
}
