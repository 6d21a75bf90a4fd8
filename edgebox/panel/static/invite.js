// The invitation: what each role gets, then a link for one person as QR code, text or SMS. The link
// is in this page only; when it is used, runs out or belongs to a session that has ended, it is
// taken away. A telephone number is here while it is typed, and nowhere after.

import { ask, tell } from "./ask.js";
import { find, say, setText } from "./page.js";
import { preparePane } from "./panes.js";
import { onTap } from "./tap.js";

const PHONE = /^\+?[0-9]{5,15}$/;
const PHONE_MAX = 16;

let expires = 0;
let mine = "";
let link = "";
let latest = null;
let asking = 0;
let phone = "";

/** Wire the pane. */
export function prepareInvite() {
  preparePane("invite", "invite", () => step("role"), forget);
  for (const role of document.querySelectorAll("#invitation [data-role]")) {
    onTap(role, () => make(role));
  }
  onTap(find("invite-back"), () => {
    forget();
    step("role");
  });
  onTap(find("invite-copy"), copy);
  if (find("invite-sms")) prepareSms();
}

/** Take the server's word on whether the last link is still good. */
export function drawInvite(invite) {
  latest = invite;
  if (!mine || invite?.id !== mine) return;
  setText(find("invite-text"), invite.text);
  if (invite.state !== "open") withdraw();
}

/** The time left, once a second. */
export function drawTimeLeft() {
  const seconds = Math.floor(expires - Date.now() / 1000);
  if (!link || seconds < 0) {
    setText(find("invite-left"), "");
    return;
  }
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  setText(find("invite-left"), say("invite.left").replace("{time}", time));
}

function step(name) {
  find("invitation").dataset.step = name;
}

async function make(role) {
  forget();
  const mineNow = asking;
  setText(find("invite-for"), say("invite.for").replace("{role}", textOf(role, "b")));
  setText(find("invite-gets"), textOf(role, "small"));
  setText(find("invite-text"), say("invite.waiting"));
  step("link");
  const answer = await ask("/invite", { role: role.dataset.role });
  if (mineNow !== asking) return;
  setText(find("invite-text"), "");
  if (!answer) {
    step("role");
    return;
  }
  show(answer);
}

function textOf(role, part) {
  return role.querySelector(part).textContent;
}

function show(answer) {
  expires = answer.expires;
  link = answer.url;
  mine = answer.id;
  const qr = find("qr");
  qr.setAttribute("viewBox", `0 0 ${answer.side} ${answer.side}`);
  find("qr-path").setAttribute("d", answer.path);
  qr.removeAttribute("hidden");
  setText(find("invite-url"), link.replace(/^https?:\/\//, ""));
  drawButtons();
  drawInvite(latest);
  drawTimeLeft();
}

function forget() {
  asking += 1;
  mine = "";
  type("");
  withdraw();
  setText(find("invite-text"), "");
}

function withdraw() {
  link = "";
  find("qr").setAttribute("hidden", "");
  find("qr-path").setAttribute("d", "");
  setText(find("invite-url"), "");
  if (find("invitation").dataset.step === "sms") step("link");
  drawButtons();
  drawTimeLeft();
}

function drawButtons() {
  find("invite-copy").disabled = !link;
  if (find("invite-sms")) find("invite-sms").disabled = !link;
}

async function copy() {
  if (!link) return;
  try {
    await navigator.clipboard.writeText(link);
    tell(say("invite.copied"));
  } catch {
    tell(say("invite.not-copied"));
  }
}

function prepareSms() {
  onTap(find("invite-sms"), () => {
    if (!link) return;
    type("");
    step("sms");
  });
  onTap(find("sms-back"), () => {
    type("");
    step("link");
  });
  for (const key of document.querySelectorAll("#invitation [data-key]")) {
    onTap(key, () => {
      if (key.dataset.key === "back") type(phone.slice(0, -1));
      else if (phone.length < PHONE_MAX) type(phone + key.dataset.key);
    });
  }
  onTap(find("sms-send"), send);
}

function type(number) {
  phone = number;
  const place = find("sms-number");
  if (place) setText(place, number.replace(/(\+?\d{2})(?=\d)/g, "$1 "));
}

async function send() {
  const button = find("sms-send");
  if (button.classList.contains("asked")) return;
  if (!PHONE.test(phone)) {
    tell(say("sms.short"));
    return;
  }
  const words = button.textContent;
  button.classList.add("asked");
  setText(button, say("sms.sending"));
  const answer = await ask("/sms", { id: mine, phone }, 30_000);
  setText(button, words);
  button.classList.remove("asked");
  if (!answer) return;
  type("");
  if (find("invitation").dataset.step === "sms") step("link");
  tell(say("sms.sent"));
}
