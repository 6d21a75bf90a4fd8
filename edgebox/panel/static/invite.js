// The invitation: a link and its QR code for one person. The link is in this page only; when it is
// used, runs out or belongs to a session that has ended, it is taken away and a new one offered.

import { ask } from "./ask.js";
import { find, say, setText } from "./page.js";
import { onTap } from "./tap.js";

let expires = 0;
let mine = "";
let latest = null;
let asking = false;

/** Wire the buttons. */
export function prepareInvite() {
  onTap(find("invite"), () => {
    setOpen(true);
    make();
  });
  onTap(find("invite-close"), () => setOpen(false));
  onTap(find("invite-new"), make);
  for (const role of roles()) {
    onTap(role, () => {
      for (const other of roles()) other.setAttribute("aria-checked", other === role);
      make();
    });
  }
}

/** Take the server's word on whether the last link is still good. */
export function drawInvite(invite) {
  latest = invite;
  if (asking || invite?.id !== mine) return;
  setText(find("invite-text"), invite.text);
  if (invite.state !== "open") withdraw();
}

/** The time left, once a second. */
export function drawTimeLeft() {
  const seconds = Math.floor(expires - Date.now() / 1000);
  if (find("qr").hasAttribute("hidden") || seconds < 0) {
    setText(find("invite-left"), "");
    return;
  }
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  setText(find("invite-left"), say("invite.left").replace("{time}", time));
}

function roles() {
  return document.querySelectorAll("#invitation .role");
}

function setOpen(open) {
  find("invitation").hidden = !open;
  document.body.dataset.invite = open ? "open" : "closed";
  if (!open) withdraw();
}

async function make() {
  if (asking) return;
  asking = true;
  mine = "";
  withdraw();
  setText(find("invite-text"), say("invite.waiting"));
  const role = document.querySelector("#invitation .role[aria-checked=true]").dataset.role;
  const answer = await ask("/invite", { role });
  asking = false;
  setText(find("invite-text"), "");
  if (!answer || find("invitation").hidden) return;
  show(answer);
}

function show(answer) {
  expires = answer.expires;
  const qr = find("qr");
  qr.setAttribute("viewBox", `0 0 ${answer.side} ${answer.side}`);
  find("qr-path").setAttribute("d", answer.path);
  qr.removeAttribute("hidden");
  setText(find("invite-url"), answer.url.replace(/^https?:\/\//, ""));
  mine = answer.id;
  drawInvite(latest);
  drawTimeLeft();
}

function withdraw() {
  find("qr").setAttribute("hidden", "");
  find("qr-path").setAttribute("d", "");
  setText(find("invite-url"), "");
  drawTimeLeft();
}
