// What all pages of the desk use: their data, their words, questions to the hub.

export const data = JSON.parse(document.getElementById("data").textContent);

export function find(id) {
  return document.getElementById(id);
}

/** The words of a key, {placeholders} filled in. */
export function say(key, values = {}) {
  const text = data.texts[`desk.${key}`] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** POST JSON; the answer, or null after the problem has been shown. */
export async function ask(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(40_000),
    });
    if (!response.ok) throw new Error(String(response.status));
    const answer = await response.json();
    if (answer.type !== "Fault") return answer;
    problem(fault(answer));
  } catch {
    problem(say("fault.hub"));
  }
  return null;
}

/** A Fault in words. */
export function fault({ reason, text }) {
  const known = data.texts[`desk.fault.${text}`] ?? data.texts[`desk.fault.${reason}`];
  const own = data.texts[`desk.fault.${text}`] ? "" : text;
  return [known, own].filter(Boolean).join(" ");
}

/** One sentence until the next, or until it is put right. */
export function problem(text) {
  find("problem").textContent = text;
  find("problem").hidden = !text;
}

export function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Table rows of cells, each a text or an element. */
export function fill(body, rows) {
  body.replaceChildren(
    ...rows.map(({ cells, className }) => {
      const row = element("tr", "", className);
      for (const cell of cells) {
        const place = element("td");
        place.append(cell);
        row.append(place);
      }
      return row;
    }),
  );
}

export function clock(utc) {
  return utc ? new Date(utc * 1000).toLocaleTimeString(data.language, { hour12: false }) : "–";
}

const UPDATE_SAYS = new Set([
  "waiting",
  "downloading",
  "ready",
  "installing",
  "installed",
  "trying",
  "fell-back",
  "refused",
  "failed",
]);

/** Which version runs, and what becomes of the next. */
export function software({ version, update, nextVersion }) {
  if (!version) return "";
  const next = UPDATE_SAYS.has(update) ? say(`update.${update}`, { version: nextVersion }) : "";
  return [say("software", { version }), next].filter(Boolean).join(", ");
}
