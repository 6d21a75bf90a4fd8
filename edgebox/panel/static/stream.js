// The live status: one stream of events. While there is none (the panel restarts, or as many pages
// as it serves are open already) the page asks now and then. It says when it does not know.

const TICK_MS = 250;
const SILENT_MS = 3_500;
const REOPEN_MS = 500;
const REOPEN_REFUSED_MS = 10_000;
const REFUSED_AFTER = 3;
const POLL_MS = 1_000;

/** Call `show(state)` and `mark(changes)` on each change, `lose()` after too long a silence. */
export function follow(show, mark, lose) {
  const stream = { source: null, openedAt: 0, failures: 0 };
  const poll = { running: false, startedAt: 0, failed: false };
  let heardAt = performance.now();

  const hear = (state) => {
    heardAt = performance.now();
    if (state) show(state);
  };

  const close = () => {
    stream.source?.close();
    stream.source = null;
    stream.failures += 1;
  };

  const open = () => {
    stream.openedAt = performance.now();
    stream.source = new EventSource("/events");
    stream.source.onopen = () => {
      stream.failures = 0;
    };
    stream.source.onmessage = (event) => hear(JSON.parse(event.data));
    stream.source.addEventListener("marks", (event) => {
      hear(null);
      mark(JSON.parse(event.data));
    });
    stream.source.addEventListener("beat", () => hear(null));
    stream.source.onerror = close;
  };

  const askOnce = async () => {
    poll.running = true;
    poll.startedAt = performance.now();
    try {
      const response = await fetch("/status", { signal: AbortSignal.timeout(SILENT_MS) });
      hear(await response.json());
      if (poll.failed) stream.failures = 0; // the panel is back: there may be a place again
      poll.failed = false;
    } catch {
      poll.failed = true;
    }
    poll.running = false;
  };

  const tick = () => {
    const now = performance.now();
    if (now - heardAt > SILENT_MS) lose();
    if (stream.source) {
      if (now - Math.max(heardAt, stream.openedAt) > SILENT_MS) close();
      return;
    }
    const wait = stream.failures < REFUSED_AFTER ? REOPEN_MS : REOPEN_REFUSED_MS;
    if (now - stream.openedAt > wait) open();
    else if (!poll.running && now - poll.startedAt > POLL_MS) askOnce();
  };

  open();
  setInterval(tick, TICK_MS);
}
