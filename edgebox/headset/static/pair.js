// Pairs this device with its vehicle, by itself, and keeps it paired: after sleep, after the box was
// restarted, on the vehicle's Wi-Fi and by way of the hub. edgebox/pairing/__init__.py tells the
// whole story.

import { decode, encode, isSigned, nonce, openDevice, transcript } from "./keys.js";
import { holder } from "./x509.js";

const TIMEOUT_MS = 4_000;
const BEAT_MS = 3_000;
const BEAT_TIMEOUT_MS = 2_500;
const LOST_MS = 10_000;
const AGAIN_MS = 1_000;
const WAITING_MS = 2_000;
const NEW_MS = 30_000;
const CLOCK_MS = 600_000;
const ENROL = /^EDGE1:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})$/;
const PRESENCE = /^EDGE2:([a-z0-9][a-z0-9-]{0,31}):[A-Za-z0-9_-]{22}$/;

/**
 * Begin. `onState` gets {state, reason, vehicle, belongs, digits, retryAt} whenever one changes:
 *
 * starting    nothing is known yet
 * unenrolled  fleet staff must show a code; reason "", "ticket" (used or too old) or "offline"
 * waiting     of the pool: digits; scan the panel's code or wait for a tap; reason "" or "code"
 * paired      vehicle, digits; `bearer()` is good
 * refused     reason and, for "elsewhere", belongs; tried again by itself at retryAt (ms)
 * offline     nobody answers; tried again by itself
 *
 * `base`: origin of box or hub, if it is not this page's.
 */
export function pair(onState, { base = "" } = {}) {
  const pairing = new Pairing(onState, base);
  // A code that a phone's own camera read, or staff sent as a link, stands behind the #. It is not
  // to stay in the history.
  const sent = location.hash.slice(1);
  if (pairing.scan(sent)) history.replaceState(null, "", location.pathname + location.search);
  const running = exclusively(() => pairing.run());
  running.catch((error) => pairing.fail(error));
  return {
    /** Text of a scanned code, of the panel or of fleet staff. False: it is neither. */
    presence: (text) => pairing.scan(text.trim()),
    /** "This is not our vehicle": ends it, at both ends. */
    wrongCar: () => pairing.wrongCar(),
    /** Something changed (another network): say now that we are there, or ask to be let in. */
    check: () => pairing.check(),
    /** The bearer while paired, else "". */
    bearer: () => pairing.bearer,
    /** No more of it. */
    stop: () => pairing.stop(),
  };
}

class Pairing {
  #base;
  #onState;
  #shown = "";
  #device = null;
  #code = "";
  #lease = null;
  #newUntil = 0;
  #wake = () => {};
  #stopped = new AbortController();

  constructor(onState, base) {
    this.#onState = onState;
    this.#base = base;
    const options = { signal: this.#stopped.signal };
    const look = () => document.visibilityState === "visible" && this.#wake();
    addEventListener("online", () => this.#wake(), options);
    addEventListener("pageshow", () => this.#wake(), options);
    document.addEventListener("visibilitychange", look, options);
  }

  get bearer() {
    return this.#lease?.bearer ?? "";
  }

  async run() {
    this.#show("starting");
    this.#device = await openDevice();
    while (!this.#stopped.signal.aborted) {
      const wait = this.#device.authority ? await this.#knock() : await this.#beEnrolled();
      if (wait > 0) await this.#rest(wait);
    }
  }

  fail(error) {
    this.#lease = null;
    if (!this.#stopped.signal.aborted) this.#show("refused", { reason: "broken" });
    console.error("pairing:", error);
  }

  scan(text) {
    if (!ENROL.test(text) && !PRESENCE.test(text)) return false;
    this.#code = text;
    this.#wake();
    return true;
  }

  check() {
    this.#wake();
  }

  async wrongCar() {
    const lease = this.#lease;
    this.#lease = null;
    this.#wake();
    if (lease) await this.#end(lease, true);
  }

  stop() {
    const lease = this.#lease;
    this.#lease = null;
    this.#stopped.abort();
    this.#wake();
    if (lease) this.#end(lease, false);
  }

  /** One handshake and, if it succeeds, all of the lease. Gives ms to wait before the next. */
  async #knock() {
    if (ENROL.test(this.#code)) await this.#enrol();
    const code = this.#code;
    this.#code = "";
    let answer;
    try {
      answer = await this.#handshake(code);
    } catch (error) {
      if (!(error instanceof Refusal)) {
        this.#code ||= code;
        this.#show("offline");
        return AGAIN_MS;
      }
      answer = error.answer;
    }
    return this.#heed(answer);
  }

  async #heed(answer) {
    if (answer.state === "paired") return this.#stay(answer);
    if (answer.state === "waiting") {
      const { vehicle, digits } = answer;
      this.#show("waiting", { vehicle, digits, reason: answer.code ? "code" : "" });
      return WAITING_MS;
    }
    // Right after its enrolment the list with this device in it is still on its way to the box.
    const isNew = performance.now() < this.#newUntil && answer.reason === "unknown";
    const wait = isNew ? AGAIN_MS : (answer.retry_s ?? 15) * 1000;
    const retryAt = Date.now() + wait;
    this.#show("refused", { reason: answer.reason, belongs: answer.belongs, retryAt });
    return wait;
  }

  async #handshake(code) {
    const device = this.#device;
    const hello = { device: device.id, nonce: nonce() };
    const challenge = await this.#ask("hello", hello);
    await checkBox(challenge, hello, device.authority);
    const { box, vehicle } = challenge;
    const foreign = code && PRESENCE.exec(code)?.[1] !== box;
    const shown = foreign ? "" : code;
    const at = Math.floor(Date.now() / 1000);
    const counter = device.last?.counter ?? 0;
    const signature = await device.sign(
      "edgebox pairing device 1",
      ...[hello.nonce, challenge.nonce, box, vehicle, device.id, at, shown, counter],
    );
    const answer = await this.#ask("prove", {
      device: device.id,
      nonce: hello.nonce,
      box_nonce: challenge.nonce,
      box,
      vehicle,
      at_utc: at,
      code: shown,
      last: device.last ?? null,
      signature,
    });
    // Another vehicle's code: this box was not told of it, and the person is.
    return foreign && answer.state === "waiting" ? { ...answer, code: "bad" } : answer;
  }

  /** Heartbeats until the lease is over. */
  async #stay(answer) {
    // First on the disk, then in use: the next vehicle asks for it.
    await this.#device.keep({ last: answer.lease });
    const lease = { box: answer.lease.box, bearer: answer.bearer, number: 0 };
    this.#lease = lease;
    this.#code = "";
    this.#show("paired", { vehicle: answer.vehicle, digits: answer.digits });
    let heardAt = performance.now();
    while (this.#lease === lease && performance.now() - heardAt < LOST_MS) {
      const sentAt = performance.now();
      const heard = await this.#beat(lease);
      if (heard === false) break;
      if (heard) heardAt = sentAt;
      if (this.#lease === lease) await this.#rest(heard ? BEAT_MS : AGAIN_MS);
    }
    const isOurs = this.#lease === lease;
    this.#lease = null;
    if (!isOurs && !this.#stopped.signal.aborted) {
      return this.#heed({ state: "refused", reason: "wrong-car", retry_s: 60 });
    }
    if (isOurs) this.#show("offline");
    return 0;
  }

  /** True: heard. False: the lease is over. Undefined: no answer. */
  async #beat(lease) {
    lease.number += 1;
    const { box, bearer, number } = lease;
    try {
      const signature = await this.#device.sign("edgebox pairing beat 1", bearer, number);
      const said = { box, bearer, number, signature };
      const heard = await this.#ask("heartbeat", said, BEAT_TIMEOUT_MS);
      lease.bearer = heard.bearer || lease.bearer;
      return true;
    } catch (error) {
      return error instanceof Refusal ? false : undefined;
    }
  }

  async #end(lease, wrongCar) {
    const body = { box: lease.box, bearer: lease.bearer, wrong_car: wrongCar };
    // Without an answer it ends by itself: there is no heartbeat any more.
    await this.#ask("end", body).catch(() => {});
  }

  async #beEnrolled() {
    if (this.#shown === "" || !this.#shown.includes('"unenrolled"')) this.#show("unenrolled");
    if (!ENROL.test(this.#code)) {
      this.#code = "";
      return 3_600_000;
    }
    await this.#enrol();
    return this.#device.authority ? 0 : 3_600_000;
  }

  async #enrol() {
    const [, ticket, fingerprint] = ENROL.exec(this.#code);
    this.#code = "";
    const device = this.#device;
    const signature = await device.sign("edgebox pairing enrol 1", ticket);
    try {
      const answer = await this.#ask("enrol", { ticket, key: device.point, signature }, 10_000);
      const authority = decode(answer.authority);
      const digest = encode(await crypto.subtle.digest("SHA-256", authority));
      if (digest !== fingerprint) throw new Refusal({ reason: "ticket" });
      await device.keep({ authority });
      this.#newUntil = performance.now() + NEW_MS;
    } catch (error) {
      const reason = error instanceof Refusal ? (error.answer.reason ?? "ticket") : "offline";
      if (!device.authority) this.#show("unenrolled", { reason });
    }
  }

  async #ask(step, body, timeout = TIMEOUT_MS) {
    // AbortSignal.timeout is younger than the browsers of some headsets.
    const tooLate = new AbortController();
    const timer = setTimeout(() => tooLate.abort(), timeout);
    try {
      const response = await fetch(`${this.#base}/pair/${step}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        signal: tooLate.signal,
      });
      if (response.status === 204) return {};
      const answer = await response.json();
      if (response.ok) return answer;
      if (response.status === 401 || response.status === 403) throw new Refusal(answer);
      throw new Error(`status ${response.status}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #show(state, more = {}) {
    const full = { reason: "", vehicle: "", belongs: "", digits: "", retryAt: 0, ...more };
    const said = JSON.stringify({ state, ...full });
    if (said === this.#shown) return;
    this.#shown = said;
    this.#onState({ state, ...full });
  }

  #rest(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** An answer, and it is no. */
class Refusal extends Error {
  constructor(answer) {
    super(answer.reason);
    this.answer = { state: "refused", ...answer };
  }
}

/** Throws a Refusal unless a box of our fleet made this challenge, for this hello. */
async function checkBox(challenge, hello, authority) {
  const { box, vehicle, at_utc } = challenge;
  let found;
  let isTrue;
  try {
    found = await holder(decode(challenge.certificate), authority);
    const signed = transcript(
      "edgebox pairing box 1",
      ...[hello.nonce, challenge.nonce, box, vehicle, hello.device, at_utc],
    );
    isTrue =
      found.name === box && (await isSigned(found.key, decode(challenge.signature), signed));
  } catch {
    isTrue = false;
  }
  if (!isTrue) throw new Refusal({ reason: "false-box" });
  // Which of the two clocks is wrong cannot be told; the box, which has GNSS, is asked first.
  const now = Date.now();
  if (now < found.begins || now >= found.ends) throw new Refusal({ reason: "clock" });
  if (Math.abs(now - at_utc * 1000) > CLOCK_MS) throw new Refusal({ reason: "clock" });
}

/** Two pages of one device would take the lease from each other. */
function exclusively(work) {
  return navigator.locks ? navigator.locks.request("edgebox-pairing", work) : work();
}
