// What the vehicle tells: who looks, what they point at, whether our session stands. Lines of JSON on
// a response that does not end; asked anew when it does.

const AGAIN_MS = 1000;
const SILENT_MS = 12_000; // the box says something every 5 s

export class Events {
  constructor(bearer, heard) {
    this.bearer = bearer;
    this.heard = heard;
    this.wanted = false;
    this.abort = null;
  }

  follow(wanted) {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    if (wanted) this.run();
    else this.abort?.abort();
  }

  async run() {
    while (this.wanted) {
      this.abort = new AbortController();
      await this.read(this.abort).catch(() => {});
      this.heard({ type: "lost" });
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }

  async read(abort) {
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), SILENT_MS);
    };
    alive();
    try {
      const response = await fetch("/events", {
        headers: { Authorization: `Bearer ${this.bearer()}` },
        signal: abort.signal,
      });
      if (!response.ok) return;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) if (line) this.heard(JSON.parse(line));
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
