// Requests to the panel's server. Every answer comes back; none blocks the page.

import { find, previewBase, say } from "./page.js";

const TIMEOUT_MS = 12_000;
const STOP_MS = 1_500;
const TOAST_MS = 7_000;
let toastTimer = 0;

/** POST `body` as JSON. Gives the answer, or null after having told the crew what went wrong. */
export async function ask(path, body, timeoutMs = TIMEOUT_MS) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status === 204) return {};
    if (!response.ok) {
      tell((await response.text()).trim());
      return null;
    }
    const answer = await response.json();
    if (answer.text) {
      tell(answer.text);
      return null;
    }
    return answer;
  } catch {
    tell(say("page.no-answer"));
    return null;
  }
}

/** Media hears this page itself: a stop needs neither the panel's server nor the bus. */
export async function askStop() {
  try {
    const options = { method: "POST", signal: AbortSignal.timeout(STOP_MS) };
    const response = await fetch(new URL("/stop", previewBase), options);
    if (response.status === 204) return;
  } catch {
    // Then by way of the panel's server, which tells what went wrong.
  }
  await ask("/stop", {});
}

/** Show one sentence for some seconds; it never takes a tap. */
export function tell(text) {
  const toast = find("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    toast.hidden = true;
  }, TOAST_MS);
}
