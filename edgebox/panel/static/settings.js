// Theme, sound cues and language.

import { ask } from "./ask.js";
import { play } from "./cues.js";
import { find, setText } from "./page.js";
import { preparePane } from "./panes.js";
import { onTap } from "./tap.js";

const root = document.documentElement;
let dark = false;

/** Wire the pane. */
export function prepareSettings() {
  preparePane("settings", "settings");
  for (const choice of choices()) onTap(choice, () => choose(choice.dataset.themeChoice));
  onTap(find("cues"), () => {
    const on = root.dataset.cues !== "on";
    root.dataset.cues = on ? "on" : "off";
    find("cues").setAttribute("aria-checked", on);
    ask("/cues", { on });
    play("joined");
  });
  onTap(find("language"), async () => {
    if (await ask("/language", { language: find("language").dataset.language })) location.reload();
  });
}

/** Which software runs, and what becomes of the next. */
export function drawSoftware(update) {
  setText(find("software"), `${update.version} ${update.text}`);
}

/** Follow the daylight, unless a theme was chosen. */
export function drawTheme(isDark) {
  dark = isDark;
  if (root.dataset.chosen === "auto") root.dataset.theme = dark ? "night" : "day";
}

function choose(theme) {
  root.dataset.chosen = theme;
  if (theme !== "auto") root.dataset.theme = theme;
  drawTheme(dark);
  for (const one of choices()) one.setAttribute("aria-checked", one.dataset.themeChoice === theme);
  ask("/theme", { theme });
}

function choices() {
  return document.querySelectorAll("[data-theme-choice]");
}
