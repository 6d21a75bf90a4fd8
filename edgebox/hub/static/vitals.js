// Values of the patient monitors, in their own words: relayed and shown, never judged. A value that
// is too old or that the monitor does not vouch for never looks like one that holds.

import { BoxClock } from "./boxclock.js";
import { $, element, write } from "./dom.js";
import { unitText } from "./units.js";
import { Waves } from "./waves.js";
import { clock, number, say } from "./words.js";

const SILENT_S = 10; // nothing at all from the vehicle
const CLOCK_WRONG_S = 5; // a monitor's clock that is further off is said
const NUMBERLESS = new Set(["invalid", "unavailable"]);
const ORDER = [
  "MDC_ECG_HEART_RATE",
  "MDC_ECG_CARD_BEAT_RATE",
  "MDC_PULS_OXIM_SAT_O2",
  "MDC_PULS_OXIM_PULS_RATE",
  "MDC_PLETH_PULS_RATE",
  "MDC_PULS_RATE",
  "MDC_PRESS_BLD_NONINV_SYS",
  "MDC_PRESS_BLD_NONINV_DIA",
  "MDC_PRESS_BLD_NONINV_MEAN",
  "MDC_PRESS_BLD_ART_SYS",
  "MDC_PRESS_BLD_ART_DIA",
  "MDC_PRESS_BLD_ART_MEAN",
  "MDC_PRESS_BLD_ART_ABP_SYS",
  "MDC_PRESS_BLD_ART_ABP_DIA",
  "MDC_PRESS_BLD_ART_ABP_MEAN",
  "MDC_RESP_RATE",
  "MDC_TTHOR_RESP_RATE",
  "MDC_AWAY_RESP_RATE",
  "MDC_CO2_RESP_RATE",
  "MDC_AWAY_CO2_ET",
  "MDC_CONC_AWAY_CO2_ET",
];

// Their parts (_SYS, _DIA, _MEAN) are read together.
const PRESSURES = ["MDC_PRESS_BLD_NONINV", "MDC_PRESS_BLD_ART", "MDC_PRESS_BLD_ART_ABP"];

const place = ({ name }) => {
  const at = ORDER.indexOf(name) + (name.startsWith("MDC_TEMP") ? ORDER.length + 1 : 0);
  return at < 0 ? 2 * ORDER.length : at;
};

// The array of data_messages.Values as an object.
function numericOf(row) {
  const [, code, name, unit, value, validity, , label, channel, episodic, device, at, source] = row;
  return { code, name, unit, value, validity, label, channel, episodic, device, at, source };
}

function alarmOf(row) {
  const [, text, priority, state, , origin, device, at] = row;
  return { text, priority, state, origin, device, at };
}

// Each alone, but systolic, diastolic and mean pressure of one measurement in one: {..., diastolic,
// mean, wide}.
export function together(numerics) {
  const key = (name, one) =>
    [name, one.device, one.channel, one.unit, one.validity, one.at, one.source].join("|");
  const found = new Map(
    numerics.filter((one) => one.value !== null).map((one) => [key(one.name, one), one]),
  );
  return numerics.flatMap((one) => {
    const cut = one.name.lastIndexOf("_");
    const [family, part] = [one.name.slice(0, cut), one.name.slice(cut + 1)];
    const [systolic, diastolic, mean] = ["SYS", "DIA", "MEAN"].map((end) =>
      found.get(key(`${family}_${end}`, one)),
    );
    const joins = PRESSURES.includes(family) && one.value !== null && systolic && diastolic;
    if (!joins) return [one];
    return part === "SYS" ? [{ ...one, name: family, wide: true, diastolic, mean }] : [];
  });
}

// What a value is at this moment: "none", "stale", or the monitor's own word for it.
export function standing(numeric, utc, staleAfter_s, cut) {
  if (NUMBERLESS.has(numeric.validity) || numeric.value === null) return "none";
  const old = utc - numeric.at > staleAfter_s;
  if (cut || (old && !numeric.episodic)) return "stale";
  return numeric.validity;
}

export function ageText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return say("vitals.seconds", { count: whole });
  if (whole < 7200) return say("vitals.minutes", { count: Math.floor(whole / 60) });
  return say("vitals.hours", { count: Math.floor(whole / 3600) });
}

function nameOf({ name, label }) {
  const key = `vitals.name.${name}`;
  const known = say(key);
  return known === key ? label || name : known;
}

export class Vitals {
  constructor() {
    this.clock = new BoxClock();
    this.waves = new Waves(this.clock);
    this.cells = new Map();
    this.clear();
  }

  // Nothing of a patient stays when the session ends.
  clear() {
    this.monitors = [];
    this.numerics = [];
    this.alarms = [];
    this.heardAt = null;
    this.cells.clear();
    $("vitals-monitors").replaceChildren();
    $("vitals-alarms").replaceChildren();
    $("vitals").hidden = true;
    this.waves.clear();
  }

  // True if the message was about vitals.
  receive(data) {
    if (typeof data !== "string") return false;
    const message = JSON.parse(data);
    const now = performance.now();
    if (message.type === "Monitors") this.monitors = message.monitors;
    else if (message.type === "Values") {
      const numerics = message.numerics.map(numericOf).sort((a, b) => place(a) - place(b));
      this.numerics = together(numerics);
      this.alarms = message.alarms.map(alarmOf);
    } else if (message.type === "WaveBlock") {
      this.waves.take(message, now);
      return true;
    } else if (message.type === "Moment") {
      this.waves.picture.take(message);
      return true;
    } else return false;
    this.clock.take(message.at_utc, now);
    this.heardAt = now;
    return true;
  }

  // Several times a second: ages go on without any message. stream: the main picture, or null.
  refresh(stream) {
    const now = performance.now();
    const utc = this.clock.utc(now);
    $("vitals").hidden = this.heardAt === null || !this.monitors.length;
    this.waves.refresh(now, stream);
    if ($("vitals").hidden) return;
    const silence_s = (now - this.heardAt) / 1000;
    const cut = silence_s > SILENT_S;
    write($("vitals-cut"), cut ? say("vitals.cut", { time: clock(Date.now() - silence_s * 1000) }) : "");
    $("vitals-cut").hidden = !cut;
    this.drawMonitors(utc, cut);
    this.drawAlarms(utc);
  }

  drawMonitors(utc, cut) {
    const keys = new Set();
    for (const monitor of this.monitors) {
      const group = this.group(monitor.id);
      const values = this.numerics.filter((one) => one.device === monitor.id);
      const last = Math.max(monitor.received_utc, ...values.map((one) => one.at));
      write(group.name, monitor.device ? `${monitor.name} · ${monitor.device}` : monitor.name);
      write(group.words, monitorWords(monitor, last, utc));
      group.words.hidden = !group.words.textContent;
      const demo = monitor.demo || values.some((one) => ["demo", "test"].includes(one.validity));
      group.demo.hidden = !demo;
      write(group.clock, clockWords(monitor));
      group.clock.hidden = !group.clock.textContent;
      values.forEach((numeric, index) => {
        const key = `${numeric.device} ${numeric.code} ${numeric.name} ${numeric.channel}`;
        keys.add(key);
        this.drawValue(key, index, group, numeric, { utc, cut, monitor });
      });
    }
    for (const [key, cell] of this.cells) {
      if (keys.has(key)) continue;
      cell.root.remove();
      this.cells.delete(key);
    }
  }

  group(id) {
    const found = $(`monitor-${id}`);
    if (found) return found.parts;
    const root = element("section", "monitor");
    root.id = `monitor-${id}`;
    const parts = {
      name: element("h3"),
      demo: element("p", "demo", say("vitals.demo")),
      words: element("p", "silent"),
      clock: element("p", "clock"),
      values: element("ul"),
    };
    parts.words.setAttribute("role", "status");
    root.append(...Object.values(parts));
    root.parts = parts;
    $("vitals-monitors").append(root);
    return parts;
  }

  drawValue(key, index, group, numeric, { utc, cut, monitor }) {
    let cell = this.cells.get(key);
    if (!cell) {
      cell = {
        root: element("li"),
        name: element("span", "name"),
        value: element("b"),
        unit: element("span", "unit"),
        now: element("small"),
      };
      cell.root.append(cell.name, cell.value, " ", cell.unit, cell.now);
      cell.root.dataset.name = numeric.name;
      this.cells.set(key, cell);
    }
    const state = standing(numeric, utc, monitor.stale_after_s, cut);
    cell.root.dataset.standing = state;
    cell.root.classList.toggle("wide", Boolean(numeric.wide));
    write(cell.name, nameOf(numeric));
    cell.name.title = numeric.wide ? say("vitals.pressure") : numeric.label;
    write(cell.value, state === "none" ? "– –" : valueText(numeric));
    write(cell.unit, unitText(numeric.unit) || say("vitals.no-unit"));
    write(cell.now, valueWords(numeric, state, utc));
    const there = group.values.children[index];
    if (there !== cell.root) group.values.insertBefore(cell.root, there ?? null);
  }

  drawAlarms(utc) {
    const texts = this.alarms.map((alarm) => {
      const about = [alarm.priority, alarm.state].filter(Boolean).join(", ");
      const age = ageText(utc - alarm.at);
      return [`«${alarm.text}»`, about && `(${about})`, say("vitals.ago", { age })]
        .filter(Boolean)
        .join(" ");
    });
    const list = $("vitals-alarms");
    $("vitals-alarm-title").hidden = !texts.length;
    texts.forEach((text, index) => {
      const item = list.children[index] ?? list.appendChild(element("li"));
      write(item, text);
    });
    while (list.children.length > texts.length) list.lastChild.remove();
  }
}

// The number; `128/76 (93)` for a blood pressure: systolic, diastolic, mean.
function valueText(numeric) {
  const text = ({ value, unit }) =>
    number(value, Number.isInteger(value) && unit !== "Cel" ? 0 : 1);
  const { diastolic, mean } = numeric;
  return [text(numeric), diastolic && `/${text(diastolic)}`, mean && ` (${text(mean)})`]
    .filter(Boolean)
    .join("");
}

// Validity and age of a value, in words.
function valueWords(numeric, state, utc) {
  if (state === "none") return say(`vitals.validity.${numeric.validity}`);
  const age = ageText(utc - numeric.at);
  if (state === "stale" && !numeric.episodic) return say("vitals.stale", { age });
  const validity = say(`vitals.validity.${numeric.validity}`);
  if (!numeric.episodic) return `${validity} · ${age}`;
  const key = numeric.source === null ? "vitals.received" : "vitals.measured";
  return `${validity} · ${say(key, { time: clock((numeric.source ?? numeric.at) * 1000) })}`;
}

// What is not as it should be; empty while values come.
function monitorWords(monitor, last_utc, utc) {
  const late = utc - last_utc > monitor.stale_after_s;
  if (monitor.state === "connected" && !late) return "";
  const trouble = say(`vitals.monitor.${monitor.state}`);
  const silence = last_utc
    ? say("vitals.silent", { time: clock(last_utc * 1000), age: ageText(utc - last_utc) })
    : say("vitals.never");
  return monitor.state === "connected" ? silence : `${silence} ${trouble}`;
}

function clockWords({ clock_ahead_s: ahead_s }) {
  if (ahead_s === null || Math.abs(ahead_s) < CLOCK_WRONG_S) return "";
  const key = ahead_s > 0 ? "vitals.clock-ahead" : "vitals.clock-behind";
  return say(key, { age: ageText(Math.abs(ahead_s)) });
}
