// Cameras without their pictures: figures on a press, and a still when the crew has allowed it. A
// still is in this page only, until the next one, the end of the session or the page's own.

import { clock, element, find, problem, say } from "./shared.js";

const figures = new Map();
let order = async () => null;
let still = { state: "off", camera: "" };
let shown = "";
let key = "";

export function prepareCameras(ask) {
  order = ask;
}

/** `cameras`: of the outlook. */
export function drawCameras(cameras) {
  const now = JSON.stringify([cameras, still, [...figures]]);
  if (now === key) return;
  key = now;
  find("cameras").replaceChildren(...cameras.map(row));
}

/** What the crew said, as the box has it. */
export function drawStill(state, camera) {
  still = { state, camera };
}

/** The session is over. */
export function emptyCameras() {
  figures.clear();
  key = "";
  find("cameras").replaceChildren();
  forget();
}

function row(camera) {
  const made = element("tr", "", camera.state);
  for (const cell of [
    camera.name,
    camera.state,
    words(camera.id) || camera.detail,
    button("camera", () => measure(camera.id)),
    stillButton(camera),
  ]) {
    const place = element("td");
    place.append(cell);
    made.append(place);
  }
  return made;
}

function button(name, act) {
  const made = element("button", say(name));
  made.type = "button";
  made.addEventListener("click", async () => {
    made.disabled = true;
    await act();
    made.disabled = false;
  });
  return made;
}

function stillButton({ id, state }) {
  if (still.state === "off") return state === "ready" ? button("still.ask", () => ask(id)) : "";
  if (still.camera !== id) return "";
  if (still.state === "asked") return element("span", say("still.asked"), "quiet");
  return button("still.take", () => take(id));
}

async function ask(camera) {
  if (await order({ type: "still-ask", camera })) problem("");
}

async function measure(camera) {
  const answer = await order({ type: "camera", camera });
  if (!answer) return;
  problem("");
  figures.set(camera, answer);
}

function words(camera) {
  const one = figures.get(camera);
  if (!one) return "";
  const size = one.width ? say("camera.size", { width: one.width, height: one.height, fps: one.fps }) : "";
  if (one.brightness === null) return [size, one.why && say(`camera.${one.why}`), one.detail].filter(Boolean).join(", ");
  const percent = (share) => Math.round(100 * share);
  return [
    size,
    say("camera.light", {
      mean: percent(one.brightness),
      dark: percent(one.dark),
      bright: percent(one.bright),
      contrast: percent(one.contrast),
    }),
    say("camera.sharpness", { sharpness: one.sharpness }),
    say(one.moves ? "camera.moves" : "camera.frozen"),
  ]
    .filter(Boolean)
    .join(", ");
}

async function take(camera) {
  const answer = await order({ type: "still", camera });
  if (!answer) return;
  problem("");
  forget();
  const bytes = Uint8Array.from(atob(answer.jpeg), (one) => one.charCodeAt(0));
  shown = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  find("still-picture").src = shown;
  find("still-caption").textContent = say("still.caption", { time: clock(answer.at_utc) });
  find("still").hidden = false;
}

function forget() {
  if (shown) URL.revokeObjectURL(shown);
  shown = "";
  find("still-picture").removeAttribute("src");
  find("still").hidden = true;
}
