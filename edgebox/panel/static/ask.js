// Requests to the panel's server. Every answer comes back; none blocks the page.

import { find, say } from "./page.js";

const TIMEOUT_MS = 12_000;
const TOAST_MS = 7_000;
let toastTimer = 0;

/** POST `body` as JSON. Gives the answer, or null after having told the crew what went wrong. */
export async function ask(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
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
