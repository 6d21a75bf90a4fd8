// The bar with what the person gives: microphone, own camera, which devices, and how to leave.

import { Level, camera, microphone } from "./devices.js";
import { $, isTyping, press, write } from "./dom.js";
import { say } from "./words.js";

const SURE_MS = 4000;

export class Controls {
  // you: You of the hub. give(kind, track): to the cabin. sound: Sound. muted(muted): to the hub.
  // leave(): the person really wants to.
  constructor({ you, give, sound, muted, leave }) {
    this.you = you;
    this.sound = sound;
    this.muted = muted;
    this.level = new Level();
    const changed = () => this.refresh();
    this.microphone = microphone({ give: (track) => this.giveSound(give, track), changed });
    const facing = you.role === "bystander" ? "environment" : "user";
    this.camera = camera(facing, { give: (track) => give("video", track), changed });
    const { speaks, shows, hears } = you.gets;
    $("microphone").hidden = !speaks;
    $("camera").hidden = !shows;
    $("talk-hint").hidden = !speaks || !matchMedia("(hover: hover)").matches;
    $("devices").hidden = !(speaks || shows || hears);
    this.setUpMicrophone();
    this.setUpCamera();
    this.setUpDevices();
    this.setUpLeave(leave);
  }

  giveSound(give, track) {
    give("audio", track);
    this.muted(track === null);
  }

  setUpMicrophone() {
    press($("microphone"), () => this.toggleMicrophone());
    // Held down, the space bar is push-to-talk.
    document.addEventListener("keydown", (event) => {
      if (event.code !== "Space" || !this.you.gets.speaks || this.isBusy()) return;
      event.preventDefault();
      if (event.repeat || this.microphone.on) return;
      this.talking = true;
      this.microphone.switchOn();
    });
    document.addEventListener("keyup", (event) => event.code === "Space" && this.stopTalking());
    addEventListener("blur", () => this.stopTalking());
  }

  // Space belongs to a button that has the focus.
  isBusy() {
    return this.ended || isTyping() || document.activeElement?.closest("button, a, summary");
  }

  stopTalking() {
    if (!this.talking) return;
    this.talking = false;
    this.microphone.switchOff();
  }

  toggleMicrophone() {
    this.talking = false;
    if (this.microphone.on) this.microphone.switchOff();
    else this.microphone.switchOn();
  }

  setUpCamera() {
    press($("camera"), () => this.toggleCamera());
    press($("turn"), () => this.camera.turn());
  }

  toggleCamera() {
    if (this.camera.on) this.camera.switchOff({ release: true });
    else this.camera.switchOn();
  }

  // Which devices

  setUpDevices() {
    const dialog = $("device-dialog");
    press($("devices"), async () => {
      await this.fillDevices();
      dialog.showModal();
    });
    press($("device-close"), () => dialog.close());
    $("pick-microphone").onchange = ({ target }) => this.microphone.choose(target.value);
    $("pick-camera").onchange = ({ target }) => this.camera.choose(target.value);
    $("pick-loudspeaker").onchange = ({ target }) => this.sound.choose(target.value);
    navigator.mediaDevices?.addEventListener?.("devicechange", () => {
      if (dialog.open) this.fillDevices();
    });
  }

  async fillDevices() {
    const { speaks, shows, hears } = this.you.gets;
    const rows = [
      ["microphone", speaks, await this.microphone.list(), this.microphone.current],
      ["camera", shows, await this.camera.list(), this.camera.current],
      ["loudspeaker", hears && this.sound.canChoose, await this.sound.list(), this.sound.sink],
    ];
    for (const [what, wanted, found, current] of rows) {
      $(`row-${what}`).hidden = !wanted;
      const select = $(`pick-${what}`);
      const options = found.map((one, index) => {
        const name = one.label || say("device.unnamed", { number: index + 1 });
        return new Option(name, one.deviceId, false, one.deviceId === current);
      });
      if (!found.length) options.push(new Option(say("device.later"), "", false, true));
      select.disabled = !found.length;
      select.replaceChildren(...options);
    }
  }

  setUpLeave(leave) {
    const button = $("leave");
    let asked = null;
    press(button, () => {
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
    });
  }

  // What the buttons say

  refresh() {
    if (this.ended) return;
    const { microphone: voice, camera: own } = this;
    this.showDevice("microphone", voice, voice.on && this.talking ? "talking" : null);
    this.showDevice("camera", own, null);
    this.level.follow(voice.on ? voice.track : null);
    $("turn").hidden = !own.on || !this.manyCameras;
    if (own.on && this.manyCameras === undefined) this.countCameras();
    this.showSelf(own.on ? own.track : null);
    const problems = [voice, own].filter((one) => one.problem);
    const words = problems.map((one) => say(`problem.${one.kind}.${one.problem}`));
    write($("problem"), words.join(" "));
    $("problem").hidden = !words.length;
  }

  showDevice(id, device, special) {
    const button = $(id);
    const state = device.starting ? "starting" : (special ?? (device.on ? "on" : "off"));
    button.dataset.state = state;
    write(button.querySelector(".big"), say(`${id}.${state}`));
    write(button.querySelector(".small"), say(`${id}.${state}.hint`));
  }

  async countCameras() {
    this.manyCameras = false;
    this.manyCameras = (await this.camera.list()).length > 1;
    this.refresh();
  }

  showSelf(track) {
    const video = $("self");
    $("self-view").hidden = !track;
    if (video.srcObject?.getTracks()[0] === track || (!track && !video.srcObject)) return;
    video.srcObject = track ? new MediaStream([track]) : null;
    video.classList.toggle("mirrored", track?.getSettings().facingMode !== "environment");
    if (track) video.play().catch(() => {});
  }

  // How loud the microphone is at this moment.
  tick() {
    $("level").style.transform = `scaleX(${this.level.read().toFixed(2)})`;
  }

  end() {
    this.talking = false;
    this.microphone.switchOff({ release: true });
    this.camera.switchOff({ release: true });
    this.ended = true;
    $("bar").hidden = $("leave").hidden = $("devices").hidden = $("self-view").hidden = $("problem").hidden = true;
    if ($("device-dialog").open) $("device-dialog").close();
  }
}
