// Where the vehicle is, as pilots read it: degrees and decimal minutes, how old, how exact.

import { $, element, write } from "./dom.js";
import { number, say } from "./words.js";

const STALE_S = 10; // older than this is said loudly
const KNOTS = 1.943844; // of one m/s

// 63°25.834'N: whole degrees of `width` digits, minutes with three decimals.
export function degreesMinutes(value, width, [positive, negative]) {
  const thousandths = Math.round(Math.abs(value) * 60_000);
  const degrees = String(Math.floor(thousandths / 60_000)).padStart(width, "0");
  const minutes = ((thousandths % 60_000) / 1000).toFixed(3).padStart(6, "0");
  return `${degrees}°${minutes}′${value < 0 ? negative : positive}`;
}

// 63°25′50.0″N
export function degreesMinutesSeconds(value, width, [positive, negative]) {
  const tenths = Math.round(Math.abs(value) * 36_000);
  const degrees = String(Math.floor(tenths / 36_000)).padStart(width, "0");
  const minutes = String(Math.floor((tenths % 36_000) / 600)).padStart(2, "0");
  const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${degrees}°${minutes}′${seconds}″${value < 0 ? negative : positive}`;
}

const both = (where, form) =>
  `${form(where.latitude_deg, 2, "NS")} ${form(where.longitude_deg, 3, "EW")}`;

export class PositionPanel {
  constructor() {
    this.rows = new Map();
    for (const key of ["dm", "dms", "dd", "error", "speed", "age"]) {
      const term = element("dt", "", say(`position.${key}`));
      const value = element("dd", key === "dm" ? "main" : "");
      $("position-values").append(term, value);
      this.rows.set(key, value);
    }
  }

  // where: Where or null. now_utc: the hub's clock, s. reachable: whether the box is.
  show(where, now_utc, reachable) {
    const fix = where && where.latitude_deg !== null && where.longitude_deg !== null;
    $("position-values").hidden = !fix;
    $("position-none").hidden = Boolean(fix);
    write($("position-none"), say(where ? "position.nofix" : "position.none"));
    if (!fix) return;
    const age_s = Math.max(0, now_utc - where.at_utc);
    const set = (key, text) => write(this.rows.get(key), text);
    set("dm", both(where, degreesMinutes));
    set("dms", both(where, degreesMinutesSeconds));
    set("dd", `${where.latitude_deg.toFixed(5)}, ${where.longitude_deg.toFixed(5)}`);
    set("error", where.error_m === null ? say("position.unknown") : `± ${number(where.error_m)} m`);
    set("speed", speed(where));
    const old = age_s > STALE_S || !reachable;
    const age = age_s < 120 ? `${number(age_s)} s` : `${number(age_s / 60)} min`;
    set("age", old ? say("position.old", { age }) : age);
    $("position").classList.toggle("stale", old);
  }
}

function speed({ speed_mps, track_deg }) {
  if (speed_mps === null) return say("position.unknown");
  const knots = `${number(speed_mps * KNOTS)} kt (${number(speed_mps * 3.6)} km/h)`;
  if (track_deg === null || speed_mps < 1) return knots;
  return `${knots}, ${String(Math.round(track_deg) % 360).padStart(3, "0")}°`;
}
