// Panes take the place of the pictures, never of the banner, the stop button or the guests who
// wait. One is open at a time.

import { find } from "./page.js";
import { onTap } from "./tap.js";

const closing = new Map();
const buttons = new Map();

/** Let `button` open and close the pane called `name`; `open` and `close` are told. */
export function preparePane(name, button, open = () => {}, close = () => {}) {
  closing.set(name, close);
  buttons.set(name, find(button));
  onTap(find(button), () => {
    if (document.body.dataset.pane === name) {
      showPane("none");
    } else {
      showPane(name);
      open();
    }
  });
}

/** Wire what is in all panes. */
export function preparePanes() {
  for (const button of document.querySelectorAll(".pane .close")) {
    onTap(button, () => showPane("none"));
  }
}

/** Open the pane of that name; `none` closes what is open. */
export function showPane(name) {
  const before = document.body.dataset.pane;
  if (before === name) return;
  document.body.dataset.pane = name;
  for (const pane of document.querySelectorAll(".pane")) pane.hidden = pane.dataset.name !== name;
  for (const [id, button] of buttons) button.setAttribute("aria-expanded", id === name);
  closing.get(before)?.();
}
