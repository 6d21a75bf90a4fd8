// The picture area: what goes out, and beside it the picture that comes in from somebody who shows
// theirs. One tap makes that one large, the next brings the next guest or the own picture back.

import { find, guestBase, previewBase, say, setText } from "./page.js";
import { onTap } from "./tap.js";
import { Picture } from "./whep.js";

const STILLS_MS = 10_000;
const words = (name) => ({
  connecting: say(`${name}.connecting`),
  none: say(`${name}.none`),
  stalled: say(`${name}.stalled`),
});
const own = new Picture(find("video"), find("preview-words"), words("preview"));
const guest = new Picture(find("guest-video"), find("guest-words"), words("guest"));
const place = document.querySelector(".picture");

let instance = "";
let shown = "";
let people = [];

/** Wire the tap. */
export function prepareStage() {
  onTap(find("guest"), next);
}

/** Show the state's pictures. */
export function drawStage(state) {
  const camera = state.hidden ? "" : state.preview;
  instance = state.instance || instance; // while media is silent its preview may still run
  own.expectEvery(state.level === "stills" ? STILLS_MS : 0);
  own.show(camera ? previewBase + encodeURIComponent(camera) : "", instance);
  find("own").classList.toggle("hidden", state.hidden);
  people = state.people.filter((one) => one.shows);
  if (!people.some((one) => one.shows === shown)) {
    shown = people[0]?.shows ?? "";
    place.dataset.large = "own";
  }
  drawGuest();
}

function drawGuest() {
  const one = people.find((person) => person.shows === shown);
  find("guest").hidden = !one;
  setText(find("guest-name"), one ? `${one.name} · ${one.role}` : "");
  guest.show(one ? guestBase + encodeURIComponent(one.shows) : "", instance);
}

function next() {
  const at = people.findIndex((person) => person.shows === shown);
  if (place.dataset.large === "own") {
    place.dataset.large = "guest";
  } else if (at + 1 < people.length) {
    shown = people[at + 1].shows;
  } else {
    place.dataset.large = "own";
    shown = people[0]?.shows ?? "";
  }
  drawGuest();
}
