// The panel's page: wires the parts together.

import { ask, askStop, tell } from "./ask.js";
import { drawCallLost } from "./call.js";
import { cue } from "./cues.js";
import { drawHeadset, prepareHeadset } from "./headset.js";
import { drawHealth, drawHealthLost, prepareHealth } from "./health.js";
import { drawInvite, drawTimeLeft, prepareInvite } from "./invite.js";
import { drawMarks, mark, prepareMarks } from "./marks.js";
import { find, firstState, say, setText, version } from "./page.js";
import { preparePanes, showPane } from "./panes.js";
import { drawPeople, preparePeople } from "./people.js";
import { draw, drawLost, drawTime, fit } from "./screen.js";
import { drawSoftware, drawTheme, prepareSettings } from "./settings.js";
import { drawStage, prepareStage } from "./stage.js";
import { follow } from "./stream.js";
import { drawSupport, prepareSupport } from "./support.js";
import { lockGestures, onHold, onTap } from "./tap.js";
import { drawVitals, drawVitalsLost, prepareVitals } from "./vitals.js";

const HOLD_MS = 900;

function show(state) {
  if (state.version !== version) {
    location.reload(); // the box was updated under this page
    return;
  }
  draw(state);
  drawPeople(state);
  drawInvite(state.invite);
  drawStage(state);
  drawMarks(state);
  drawVitals(state.vitals);
  drawHealth(state.health);
  drawSupport(state.support);
  drawHeadset(state.headset, state.guests.length);
  drawSoftware(state.update);
  fit();
  drawTheme(state.dark);
  cue(state);
}

/** One question at a time for this button, with other words on it while it waits. */
async function press(button, waiting, act) {
  const label = button.querySelector(".label");
  if (button.classList.contains("asked")) return;
  const words = label.textContent;
  button.classList.add("asked");
  setText(label, waiting);
  await act();
  if (label.textContent === waiting) setText(label, words);
  button.classList.remove("asked");
}

/** Ask for the other state of a switch; what the button then shows is the box's word. */
function toggle(id, path, key) {
  const button = find(id);
  onTap(button, async () => {
    if (button.classList.contains("asked")) return;
    button.classList.add("asked");
    await ask(path, { [key]: button.getAttribute("aria-pressed") !== "true" });
    button.classList.remove("asked");
  });
}

onTap(find("start"), () => press(find("start"), say("start.waiting"), () => ask("/start", {})));
onHold(
  find("stop"),
  HOLD_MS,
  () => {
    showPane("none");
    press(find("stop"), say("stop.waiting"), askStop);
  },
  () => tell(say("stop.hold")),
);
toggle("hide", "/hide", "hidden");
toggle("mute", "/mute", "muted");
prepareStage();
prepareMarks();
preparePeople();
prepareInvite();
prepareSettings();
prepareVitals();
prepareHealth();
prepareSupport();
prepareHeadset();
preparePanes();
lockGestures();
show(firstState);
follow(show, mark, () => {
  drawLost(say("page.lost"), say("page.lost-detail"));
  drawVitalsLost(say("page.lost"));
  drawHealthLost(say("page.lost"));
  drawCallLost();
});
setInterval(() => {
  drawTime();
  drawTimeLeft();
}, 1_000);
