// What this device hears, by WHEP (edgebox/headset/whep.py): remote help, and nobody near it.

import { Session } from "./session.js";

export class Listener extends Session {
  // audio: the element that plays it.
  constructor(audio, bearer, changed, unknown) {
    super("/whep", bearer, changed, unknown);
    this.audio = audio;
    this.wanted = false;
    this.blocked = false; // the browser wants a touch before it lets anything be heard
  }

  want(wanted) {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    if (wanted) this.restart();
    else this.stop();
  }

  // Whether anything that is said comes out of this device now.
  get audible() {
    return this.state === "live" && !this.blocked && !this.audio.muted;
  }

  quiet(quiet) {
    this.audio.muted = quiet;
  }

  fill(pc) {
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.ontrack = ({ track }) => {
      this.audio.srcObject = new MediaStream([track]);
      this.play();
    };
  }

  // A browser may refuse until the page has been touched; then it is asked again with the touch.
  async play() {
    const blocked = await this.audio.play().then(() => false, (error) => error.name === "NotAllowedError");
    if (blocked === this.blocked) return;
    this.blocked = blocked;
    this.changed();
  }

  drop(tell) {
    super.drop(tell);
    this.audio.srcObject = null;
  }
}
