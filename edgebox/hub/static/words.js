// The words of the page's language, and numbers and times as people there write them.

let texts = {};
let language = "nb";

export function setTexts(all, chosen) {
  texts = all;
  language = chosen;
}

export function say(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

const locale = () => (language === "nb" ? "nb-NO" : "en-GB");

export function clock(utcMs) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  return new Date(utcMs).toLocaleTimeString(locale(), options);
}

export function number(value, digits = 0) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString(locale(), options);
}

// "a, b and c".
export function list(items) {
  return new Intl.ListFormat(locale(), { type: "conjunction" }).format(items);
}
