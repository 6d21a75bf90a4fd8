// The command line, once the crew has allowed it: xterm on a WebSocket. What was shown goes with it.

import { fault, find, problem, say } from "./shared.js";
import { Terminal } from "./xterm.mjs";

const CELL = { width: 8, height: 17 };
const ROWS = 28;
const COLUMNS_MAX = 160;

let path = "";
let state = "none";
let socket = null;
let terminal = null;

/** `order`: asks the box for a deed. */
export function prepareShell(base, order) {
  path = `${base}/shell`;
  find("shell-ask").addEventListener("click", () => order({ type: "shell-ask" }));
  find("shell-open").addEventListener("click", open);
  find("shell-close").addEventListener("click", closeShell);
}

/** What the box says of it: none, off, asked, granted, open. */
export function drawShell(now) {
  state = now;
  find("shell-ask").hidden = state !== "off" || socket !== null;
  find("shell-open").hidden = state !== "granted" || socket !== null;
  find("shell-close").hidden = socket === null;
  const key = socket !== null ? "opened" : state === "open" ? "closed" : state;
  find("shell-text").textContent = say(`shell.${key}`);
}

/** Nothing of it is left on the page. */
export function closeShell() {
  socket?.close();
  socket = null;
  terminal?.dispose();
  terminal = null;
  find("shell").replaceChildren();
  drawShell(state);
}

function open() {
  if (socket !== null) return;
  problem("");
  const mine = new WebSocket(`wss://${location.host}${path}`);
  mine.binaryType = "arraybuffer";
  socket = mine;
  mine.addEventListener("message", (event) => {
    if (mine !== socket) return;
    if (typeof event.data === "string") begin(mine, JSON.parse(event.data));
    else terminal?.write(new Uint8Array(event.data));
  });
  mine.addEventListener("close", () => {
    if (mine === socket) closeShell();
  });
  drawShell(state);
}

function begin(mine, answer) {
  if (answer.type === "Fault") {
    problem(fault(answer));
    return;
  }
  const place = find("shell");
  const columns = Math.min(Math.floor(place.clientWidth / CELL.width), COLUMNS_MAX);
  terminal = withOwnStyles(() => {
    const made = new Terminal({
      cols: columns,
      rows: ROWS,
      fontSize: 13,
      fontFamily: '"DejaVu Sans Mono", ui-monospace, monospace',
      scrollback: 5_000,
    });
    made.open(place);
    return made;
  });
  const encoder = new TextEncoder();
  terminal.onData((text) => {
    if (mine.readyState === WebSocket.OPEN) mine.send(encoder.encode(text));
  });
  mine.send(JSON.stringify({ columns, rows: ROWS }));
  terminal.focus();
}

/**
 * xterm writes style sheets into <style>, which our Content-Security-Policy forbids: a page's own
 * script may have the same text as a constructed sheet. Its elements stay empty.
 */
function withOwnStyles(make) {
  const create = document.createElement;
  document.createElement = (name, options) => {
    const made = create.call(document, name, options);
    if (name === "style") adopt(made);
    return made;
  };
  try {
    return make();
  } finally {
    delete document.createElement;
  }
}

function adopt(style) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(style, "textContent", { set: (text) => sheet.replaceSync(text) });
  const remove = style.remove.bind(style);
  style.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    remove();
  };
}
