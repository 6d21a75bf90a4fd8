// Draws a state of the server. Elements stay in place and are only changed where they differ, so
// that a finger on a button is never left on something else.

import { ask } from "./ask.js";
import { find, setText } from "./page.js";
import { onTap } from "./tap.js";

const CAPTION = ["sending", "level", "why"];
let liveSince = null;

/** Once all is drawn: what depends on the room that is left. */
export function fit() {
  const live = document.body.dataset.screen === "live";
  if (live) fitCameras();
  const links = find("links"); // a guest with a long name needs their room while idle
  links.classList.toggle("no-room", !live && links.scrollHeight > links.clientHeight + 1);
}

/** Draw everything but the preview and the invitation. */
export function draw(state) {
  const body = document.body.dataset;
  body.screen = state.screen;
  body.tone = state.tone;
  body.truth = state.truth;
  body.connection = "up";
  drawBanner(state);
  drawCameras(state.cameras);
  drawLinks(state.links);
  drawList(find("parts"), state.parts, drawPart);
  drawList(find("notices"), state.notices, drawNotice);
  drawCaption(state);
  drawSwitches(state);
}

/** Nothing has been heard: what stands there may be wrong, and the panel says so. */
export function drawLost(title, detail) {
  const body = document.body.dataset;
  body.connection = "lost";
  body.tone = "unknown";
  setText(find("title"), title);
  setText(find("detail"), detail);
  for (const id of ["groups", "waiting-title", "muted-note", "guests", "notices", ...CAPTION]) {
    find(id).replaceChildren();
    delete find(id).dataset.drawn;
  }
  liveSince = null;
  drawTime();
}

/** The time since the start, once a second. */
export function drawTime() {
  if (liveSince === null) {
    setText(find("live-time"), "");
    return;
  }
  const seconds = Math.max(0, Math.floor(Date.now() / 1000 - liveSince));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  setText(find("live-time"), hours ? `${hours}:${rest}` : rest);
}

function drawBanner(state) {
  setText(find("title"), state.title);
  setText(find("detail"), state.detail);
  drawList(find("groups"), state.groups, drawGroup);
  setText(find("waiting-title"), state.waitingTitle);
  setText(find("muted-note"), state.sound.note);
  setText(find("start-text"), state.startText);
  liveSince = state.liveSince;
  drawTime();
}

function drawCaption(state) {
  setText(find("sending"), state.sending);
  setText(find("level"), state.levelText);
  setText(find("why"), state.why);
  find("level").dataset.level = state.level;
  find("preview-area").classList.toggle("cut", state.tone === "cut");
}

function drawSwitches(state) {
  const hide = find("hide");
  hide.setAttribute("aria-pressed", state.hidden);
  setText(hide.querySelector(".label"), state.hideText);
  const mute = find("mute");
  mute.setAttribute("aria-pressed", state.sound.muted);
  mute.dataset.microphone = state.sound.microphone;
  setText(mute.querySelector(".label"), state.sound.text);
}

/** Replace the children of `place` if `items` differ from those drawn. */
function drawList(place, items, drawItem) {
  const key = JSON.stringify(items);
  if (place.dataset.drawn === key) return;
  place.dataset.drawn = key;
  place.dataset.count = items.length;
  place.replaceChildren(...items.map(drawItem));
}

function element(kind, className, text) {
  const made = document.createElement(kind);
  made.className = className;
  made.textContent = text;
  return made;
}

function drawGroup(group) {
  const made = element("span", `group ${group.kind}`, "");
  made.append(element("span", "gets", group.title), ...group.people.map(drawPerson));
  if (group.more) made.append(element("span", "more", group.more));
  return made;
}

function drawPerson(person) {
  const chip = element("span", `person ${person.state}`, "");
  chip.append(element("b", "", person.name), element("span", "role", person.role));
  if (person.text) chip.append(element("i", "", person.text));
  return chip;
}

function drawPart(part) {
  const row = element("p", `part ${part.state}`, "");
  row.append(element("span", "name", part.name), element("span", "text", part.text));
  return row;
}

function drawNotice(notice) {
  const row = element("p", `notice ${notice.grade}`, "");
  row.append(element("b", "", notice.text), element("span", "", notice.todo));
  return row;
}

/** Make one copy of a template for each item, and make new ones only when the ids change. */
function keep(place, template, ids, prepare) {
  const key = ids.join(" ");
  if (place.dataset.ids === key) return;
  place.dataset.ids = key;
  place.dataset.count = ids.length;
  place.replaceChildren(
    ...ids.map((id) => {
      const made = find(template).content.firstElementChild.cloneNode(true);
      prepare(made, id);
      return made;
    }),
  );
}

function drawCameras(cameras) {
  const place = find("cameras");
  const ids = cameras.map((camera) => camera.id);
  keep(place, "camera", ids, prepareCamera);
  cameras.forEach((camera, index) => {
    const tile = place.children[index];
    tile.dataset.state = camera.state;
    tile.classList.toggle("sent", camera.sent);
    tile.classList.toggle("is-main", camera.main);
    const send = tile.querySelector(".send");
    send.setAttribute("aria-checked", camera.sent);
    setText(send.querySelector(".name"), camera.name);
    setText(send.querySelector("small"), camera.text);
    const main = tile.querySelector(".main");
    main.setAttribute("aria-pressed", camera.main);
    main.setAttribute("aria-label", `${camera.mainText}: ${camera.name}`);
  });
}

/** Live: one column of tiles if they fit, else two, else none while a guest waits. */
function fitCameras() {
  const place = find("cameras");
  const tile = parseFloat(getComputedStyle(find("people")).minHeight);
  const gap = parseFloat(getComputedStyle(place).rowGap);
  const guests = find("guests").offsetHeight;
  const room = find("preview-area").offsetHeight - (guests ? guests + gap : 0);
  const count = Number(place.dataset.count);
  const fits = (rows) => rows * (tile + gap) - gap <= room;
  place.dataset.columns = fits(count) && count < 4 ? 1 : 2;
  place.classList.toggle("no-room", Boolean(guests) && !fits(Math.ceil(count / 2)));
}

function prepareCamera(tile, id) {
  const send = tile.querySelector(".send");
  const main = tile.querySelector(".main");
  onTap(send, () => {
    const on = send.getAttribute("aria-checked") === "true";
    change(send, id, on ? "hide" : "send");
  });
  onTap(main, () => change(main, id, "main"));
}

async function change(button, camera, operation) {
  button.classList.add("asked");
  await ask("/cameras", { camera, operation });
  button.classList.remove("asked");
}

function drawLinks(links) {
  const place = find("links");
  keep(place, "link", links.map((_, index) => String(index)), () => {});
  links.forEach((link, index) => {
    const row = place.children[index];
    row.dataset.state = link.state;
    setText(row.querySelector(".name"), link.label);
    setText(row.querySelector(".generation"), link.generation);
    setText(row.querySelector(".rtt"), link.rtt);
    setText(row.querySelector(".rates"), link.text);
    setText(row.querySelector(".unit"), link.unit);
    row.querySelector(".bar .capacity").style.width = `${link.capacity}%`;
    row.querySelector(".bar .sent").style.width = `${link.sent}%`;
  });
}
