// Technical help: a bar in the banner on every screen while somebody is in or waits, and a pane to
// ask for help, let in, end. The link is in this page only, while it is good.

import { ask } from "./ask.js";
import { drawCall, prepareCall } from "./call.js";
import { find, say, setText } from "./page.js";
import { preparePane, showPane } from "./panes.js";
import { onTap } from "./tap.js";

const FRESH_MS = 700;

let latest = { state: "away", id: "", serial: "", shell: "none", still: "off", camera: "", chat: [] };
let link = "";
let changedAt = 0;

/** Wire bar and pane. */
export function prepareSupport() {
  preparePane("support", "support-open");
  onTap(find("health-help"), () => showPane("support"));
  onTap(find("support-show"), () => {
    showPane("support");
    fitChat();
  });
  onTap(find("support-ask"), () => once(find("support-ask"), getHelp));
  onTap(find("support-admit"), () =>
    once(find("support-admit"), () => {
      // A card that has just come takes no tap that was meant for what was there.
      if (performance.now() - changedAt < FRESH_MS) return null;
      return ask("/support/admit", { id: latest.id, serial: latest.serial });
    }),
  );
  for (const button of [find("support-end"), find("support-stop")]) {
    onTap(button, () => once(button, () => ask("/support/end", {})));
  }
  onTap(find("support-shell-allow"), () =>
    once(find("support-shell-allow"), () => {
      if (performance.now() - changedAt < FRESH_MS) return null;
      return ask("/support/shell/allow", { id: latest.id });
    }),
  );
  for (const button of [find("support-shell-refuse"), find("support-shell-end")]) {
    onTap(button, () => once(button, () => ask("/support/shell/end", {})));
  }
  onTap(find("support-still-allow"), () =>
    once(find("support-still-allow"), () => {
      if (performance.now() - changedAt < FRESH_MS) return null;
      const { id, serial, camera } = latest;
      return ask("/support/still/allow", { id, serial, camera });
    }),
  );
  const no = find("support-still-refuse");
  onTap(no, () => once(no, () => ask("/support/still/refuse", {})));
  prepareCall();
  for (const button of document.querySelectorAll("#support-replies .reply")) {
    onTap(button, () => once(button, () => ask("/support/say", { reply: button.dataset.reply })));
  }
}

/** Draw what the support service says. */
export function drawSupport(support) {
  const isSame = ["state", "id", "shell", "still", "camera"].every((key) => support[key] === latest[key]);
  if (!isSame) changedAt = performance.now();
  latest = support;
  const { state } = support;
  document.body.dataset.support = state;
  document.body.dataset.shell = support.shell;
  document.body.dataset.still = support.still;
  find("support-pane").dataset.state = state;
  setText(find("support-who"), support.bar);
  // A command line has minutes of its own, a call has the microphone: there is room for one.
  const plain = ["none", "off"].includes(support.shell) && support.call.state === "off" && support.still === "off";
  const left = plain ? support.left : "";
  setText(find("support-what"), [left, support.doing].filter(Boolean).join(" · "));
  setText(find("support-title"), support.title || say("support.title"));
  setText(find("support-left"), support.left);
  setText(find("support-text"), support.text);
  const calm = !support.chat.length && support.call.state === "off"; // else the bar says it
  setText(find("support-doing"), calm ? support.doing : "");
  const stop = state === "waits" ? "support.refuse" : state === "asked" ? "support.cancel" : "support.end";
  const both = support.call.state === "off" ? stop : "support.end.help";
  setText(find("support-end").querySelector(".label"), say(both));
  setText(find("support-stop"), say("support.end"));
  if (state !== "asked") forgetLink();
  drawChat(support.chat);
  drawCall(support);
  fitChat();
}

function drawChat(lines) {
  const place = find("support-chat");
  const key = JSON.stringify(lines);
  if (place.dataset.drawn === key) return;
  place.dataset.drawn = key;
  place.replaceChildren(
    ...lines.map((line) => {
      const row = document.createElement("p");
      const name = document.createElement("b");
      name.textContent = `${line.name}: `;
      row.append(name, line.text);
      return row;
    }),
  );
}

/** The newest line is whole; older ones as far as there is room. */
function fitChat() {
  const place = find("support-chat");
  const words = place.parentElement;
  while (place.childElementCount > 1 && words.scrollHeight > words.clientHeight + 1) {
    place.firstElementChild.remove();
    place.dataset.drawn = "";
  }
}

async function getHelp() {
  const answer = await ask("/support/ask", {});
  if (!answer || !answer.url) return;
  link = answer.url;
  const qr = find("support-qr");
  qr.setAttribute("viewBox", `0 0 ${answer.side} ${answer.side}`);
  find("support-qr-path").setAttribute("d", answer.path);
  qr.removeAttribute("hidden");
  setText(find("support-url"), link.replace(/^https:\/\//, ""));
}

function forgetLink() {
  if (!link) return;
  link = "";
  find("support-qr").setAttribute("hidden", "");
  find("support-qr-path").setAttribute("d", "");
  setText(find("support-url"), "");
}

async function once(button, act) {
  if (button.classList.contains("asked")) return;
  button.classList.add("asked");
  await act();
  button.classList.remove("asked");
}
