// One session by HTTP after another, of WHIP or WHEP alike: made while it is wanted, made anew when it
// breaks, ended when it is not wanted any more. In the vehicle the box is reached directly; outside
// the hub names a relay in its answer, and nothing else is used.

const SHAKY_MS = 1500; // after this without a way to the box a new session is made
const CONNECT_MS = 6000;
const WAITS_MS = [0, 300, 600, 1000, 2000, 3000];
const SETTLED_MS = 5000; // all well for this long: the next trouble starts without waiting

export class Session {
  // bearer(): the lease's, now. changed(): `state` is another: "off" "connecting" "live" "retrying".
  // unknown(): the bearer is not known where we are: pairing should say that we are there.
  // A kind of session says what it carries: get wanted(), fill(pc).
  constructor(endpoint, bearer, changed, unknown = () => {}) {
    this.endpoint = endpoint;
    this.bearer = bearer;
    this.changed = changed;
    this.unknown = unknown;
    this.state = "off";
    this.failures = 0;
    this.refused = 0; // status of the last refusal
    this.pc = null;
    this.url = "";
    this.timer = null;
    this.round = 0;
  }

  // Make a new session now: the network is another one, or the box said that the old one ended.
  restart() {
    this.failures = 0;
    this.begin(0);
  }

  // Is there a way to the box? After sleep nobody told us.
  check() {
    if (!this.wanted) return;
    const state = this.pc?.connectionState;
    if (this.state === "live" && state !== "connected") this.restart();
    else if (this.state === "retrying") this.restart();
  }

  stop() {
    this.round++;
    clearTimeout(this.timer);
    this.drop(true);
    this.become("off");
  }

  begin(wait) {
    const round = ++this.round;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.attempt(round), wait);
  }

  async attempt(round) {
    if (round !== this.round || !this.wanted) return;
    this.become("connecting");
    try {
      await this.connect(round);
    } catch {
      if (round === this.round) this.fail();
    }
  }

  async connect(round) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.fill(pc);
    pc.onconnectionstatechange = () => this.follow(pc, round);
    const offer = await pc.createOffer();
    const response = await fetch(this.endpoint, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.bearer()}`, "Content-Type": "application/sdp" },
      body: offer.sdp,
      signal: AbortSignal.timeout(CONNECT_MS),
    });
    this.refused = response.ok ? 0 : response.status;
    if (response.status !== 201) {
      pc.close();
      if (response.status === 401) this.unknown();
      throw new Error(`refused: ${response.status}`);
    }
    const answer = await response.text();
    const url = response.headers.get("Location");
    if (round !== this.round) {
      pc.close();
      this.end(url);
      return;
    }
    this.drop(false); // the box ends the old session with its answer to the new one
    this.pc = pc;
    this.url = url;
    const servers = relays(response.headers.get("Link") ?? "");
    if (servers.length) {
      pc.setConfiguration({ iceServers: servers, iceTransportPolicy: "relay", bundlePolicy: "max-bundle" });
      pc.onicecandidate = ({ candidate }) => this.trickle(pc, candidate);
    }
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
    this.timer = setTimeout(() => {
      if (round === this.round && pc.connectionState !== "connected") this.fail();
    }, CONNECT_MS);
  }

  follow(pc, round) {
    if (round !== this.round || pc !== this.pc) return;
    clearTimeout(this.timer);
    switch (pc.connectionState) {
      case "connected":
        this.become("live");
        this.timer = setTimeout(() => {
          this.failures = 0;
        }, SETTLED_MS);
        break;
      case "disconnected":
        this.timer = setTimeout(() => this.fail(), SHAKY_MS);
        break;
      case "failed":
      case "closed":
        this.fail();
    }
  }

  fail() {
    this.become("retrying");
    this.begin(WAITS_MS[Math.min(this.failures++, WAITS_MS.length - 1)]);
  }

  drop(tell) {
    const { pc, url } = this;
    this.pc = null;
    this.url = "";
    if (pc) {
      pc.onconnectionstatechange = null;
      pc.onicecandidate = null;
      pc.close();
    }
    if (tell) this.end(url);
  }

  end(url) {
    if (!url) return;
    const headers = { Authorization: `Bearer ${this.bearer()}` };
    fetch(url, { method: "DELETE", headers, keepalive: true }).catch(() => {});
  }

  trickle(pc, candidate) {
    if (pc !== this.pc || !candidate?.candidate) return;
    const ufrag = /a=ice-ufrag:(\S+)/.exec(pc.localDescription.sdp)?.[1] ?? "";
    const [, media] = /^m=(\w+)/m.exec(pc.localDescription.sdp);
    fetch(this.url, {
      method: "PATCH",
      headers: {
        Authorization: `Bearer ${this.bearer()}`,
        "Content-Type": "application/trickle-ice-sdpfrag",
      },
      body: `a=ice-ufrag:${ufrag}\r\nm=${media} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=${candidate.candidate}\r\n`,
    }).catch(() => {});
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }
}

// RFC 9725, 4.6: Link: <turn:host?transport=udp>; rel="ice-server"; username="..."; credential="..."
function relays(link) {
  return [...link.matchAll(/<(turns?:[^>]+)>([^<]*)/g)]
    .filter(([, , rest]) => /rel="?ice-server"?/.test(rest))
    .map(([, urls, rest]) => ({
      urls,
      username: /username="([^"]*)"/.exec(rest)?.[1] ?? "",
      credential: /credential="([^"]*)"/.exec(rest)?.[1] ?? "",
    }));
}
