// The panel's page: wires the parts together.

import { ask, askStop, tell } from "./ask.js";
import { drawInvite, drawTimeLeft, prepareInvite } from "./invite.js";
import { find, firstState, say, version } from "./page.js";
import { showPreview } from "./preview.js";
import { draw, drawLost, drawTime } from "./screen.js";
import { follow } from "./stream.js";
import { lockGestures, onHold, onTap } from "./tap.js";

const HOLD_MS = 900;
const root = document.documentElement;

function show(state) {
  if (state.version !== version) {
    location.reload(); // the box was updated under this page
    return;
  }
  draw(state);
  drawInvite(state.invite);
  showPreview(state.preview, state.instance);
  if (root.dataset.chosen === "auto") root.dataset.theme = state.dark ? "night" : "day";
}

/** One question at a time for this button, with other words on it while it waits. */
async function press(button, waiting, act) {
  const label = button.querySelector(".label");
  if (button.classList.contains("asked")) return;
  const words = label.textContent;
  button.classList.add("asked");
  label.textContent = waiting;
  await act();
  label.textContent = words;
  button.classList.remove("asked");
}

onTap(find("start"), () => press(find("start"), say("start.waiting"), () => ask("/start", {})));
onHold(
  find("stop"),
  HOLD_MS,
  () => press(find("stop"), say("stop.waiting"), askStop),
  () => tell(say("stop.hold")),
);
onTap(find("language"), async () => {
  if (await ask("/language", { language: find("language").dataset.language })) location.reload();
});
onTap(find("theme"), () => {
  const theme = root.dataset.theme === "night" ? "day" : "night";
  root.dataset.theme = theme;
  root.dataset.chosen = theme;
  ask("/theme", { theme });
});
prepareInvite();
lockGestures();
show(firstState);
follow(show, () => {
  drawLost(say("page.lost"), say("page.lost-detail"));
});
setInterval(() => {
  drawTime();
  drawTimeLeft();
}, 1_000);
