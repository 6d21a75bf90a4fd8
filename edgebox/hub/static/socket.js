// The WebSocket to the hub: keeps itself connected, and knows when it only seems to be.

const BACKOFF_MS = [0, 300, 600, 1000, 2000, 3000];
const PING_MS = 2000;
const STEADY_MS = 5000; // a connection that lasts: the next loss starts without back-off
const SILENCE_MS = 5000; // no Pong for this long: the connection is dead, whatever the browser says

export class Socket {
  // path: of the WebSocket. receive(message), changed(): called for each message and each
  // opening or closing.
  constructor(path, receive, changed) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.url = url.href;
    this.receive = receive;
    this.changed = changed;
    this.downSince = Date.now(); // wall time, ms; null while connected
    this.ended = false;
    this.tries = 0;
    this.openedAt = null; // performance.now(), ms
    this.open();
  }

  get isOpen() {
    return this.downSince === null;
  }

  open() {
    clearTimeout(this.retry);
    const ws = new WebSocket(this.url);
    this.ws = ws;
    this.heardAt = performance.now();
    ws.onopen = () => {
      if (ws !== this.ws) return;
      this.openedAt = performance.now();
      this.downSince = null;
      this.changed();
    };
    ws.onmessage = (event) => {
      if (ws !== this.ws) return;
      this.heardAt = performance.now();
      this.receive(JSON.parse(event.data));
    };
    ws.onclose = () => {
      if (ws === this.ws) this.lost();
    };
    clearInterval(this.pinger);
    this.pinger = setInterval(() => this.ping(), PING_MS);
  }

  ping() {
    if (performance.now() - this.heardAt > SILENCE_MS) {
      const dead = this.ws;
      this.lost();
      dead.close();
    } else {
      this.send({ type: "Ping" });
    }
  }

  lost() {
    clearInterval(this.pinger);
    this.ws = null;
    // A hub that takes every connection and ends it at once must not be hammered either.
    if (this.openedAt !== null && performance.now() - this.openedAt > STEADY_MS) this.tries = 0;
    this.openedAt = null;
    if (this.downSince === null) this.downSince = Date.now();
    if (!this.ended) {
      const wait = BACKOFF_MS[Math.min(this.tries++, BACKOFF_MS.length - 1)];
      // Spread out: after a restart of the hub everybody comes at once.
      this.retry = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
    }
    this.changed();
  }

  // Connect now instead of after the wait: the network has changed.
  hurry() {
    if (!this.ended && this.ws === null) this.open();
  }

  // False if there is no connection; the message is not kept.
  send(message) {
    if (this.ws?.readyState !== WebSocket.OPEN) return false;
    this.ws.send(JSON.stringify(message));
    return true;
  }

  end() {
    this.ended = true;
    clearTimeout(this.retry);
    clearInterval(this.pinger);
    this.ws?.close();
  }
}
