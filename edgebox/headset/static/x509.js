// Just enough of X.509 (RFC 5280) to tell whether a certificate is the fleet authority's work: P-256
// with SHA-256, signed by the authority itself. Whatever is not as expected throws.

import { isSigned, publicKey } from "./keys.js";

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const VERSION = 0xa0;
const ECDSA_SHA256 = "06082a8648ce3d040302";
const COMMON_NAME = "0603550403";
const UNIT = "060355040b";
const COORDINATE = 32;

/** The certificate's name and key, if `authority` (DER) signed it. Throws otherwise. */
export async function holder(der, authority) {
  const own = parse(der);
  const above = parse(authority);
  if (hex(own.issuer) !== hex(above.subject)) throw new Error("of another authority");
  const key = await publicKey(above.spki);
  if (!(await isSigned(key, own.signature, own.signed))) throw new Error("signature does not fit");
  const names = own.names.filter((one) => one.kind === COMMON_NAME);
  const units = own.names.filter((one) => one.kind === UNIT);
  if (names.length !== 1 || units.length !== 0) throw new Error("of another kind");
  return { name: names[0].text, begins: own.begins, ends: own.ends, key: await publicKey(own.spki) };
}

function parse(der) {
  const data = new Uint8Array(der);
  const [signed, algorithm, signature] = children(data, element(data, 0, SEQUENCE));
  if (hex(inside(data, algorithm)).slice(0, ECDSA_SHA256.length) !== ECDSA_SHA256) {
    throw new Error("another algorithm");
  }
  const parts = children(data, signed);
  if (parts[0].tag === VERSION) parts.shift();
  const [, , issuer, validity, subject, spki] = parts;
  const [begins, ends] = children(data, validity).map((one) => time(data, one));
  return {
    signed: whole(data, signed),
    signature: rawSignature(data, signature),
    issuer: whole(data, issuer),
    subject: whole(data, subject),
    names: names(data, subject),
    spki: whole(data, spki),
    begins,
    ends,
  };
}

/** One element: its tag, where it begins, and where its content begins and ends. */
function element(data, at, tag) {
  let size = data[at + 1];
  let start = at + 2;
  if (size >= 0x80) {
    const count = size - 0x80;
    if (count < 1 || count > 2) throw new Error("length");
    size = 0;
    for (const byte of data.subarray(start, start + count)) size = size * 256 + byte;
    start += count;
  }
  const end = start + size;
  if (!(end <= data.length)) throw new Error("cut off");
  if (tag !== undefined && data[at] !== tag) throw new Error("another element");
  return { tag: data[at], at, start, end };
}

function children(data, outer) {
  const found = [];
  for (let at = outer.start; at < outer.end; ) {
    const next = element(data, at);
    if (next.end > outer.end) throw new Error("cut off");
    found.push(next);
    at = next.end;
  }
  return found;
}

function whole(data, one) {
  return data.slice(one.at, one.end);
}

function inside(data, one) {
  return data.slice(one.start, one.end);
}

function names(data, subject) {
  const found = [];
  for (const set of children(data, subject)) {
    if (set.tag !== SET) throw new Error("name");
    for (const one of children(data, set)) {
      const [kind, text] = children(data, one);
      const plain = new TextDecoder("utf-8", { fatal: true }).decode(inside(data, text));
      found.push({ kind: hex(whole(data, kind)), text: plain });
    }
  }
  return found;
}

/** Milliseconds since 1970. RFC 5280, 4.1.2.5: always Z, two digits of year are 1950 to 2049. */
function time(data, one) {
  const text = new TextDecoder().decode(inside(data, one));
  const found = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  const size = { [UTC_TIME]: 2, [GENERALIZED_TIME]: 4 }[one.tag];
  if (!found || found[1].length !== size) throw new Error("time");
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
  const century = size === 4 ? 0 : year < 50 ? 2000 : 1900;
  return Date.UTC(century + year, month - 1, day, hour, minute, second);
}

/** From a sequence of two integers to r | s, as WebCrypto wants it. */
function rawSignature(data, bits) {
  if (bits.tag !== BIT_STRING || data[bits.start] !== 0) throw new Error("signature");
  const numbers = children(data, element(data, bits.start + 1, SEQUENCE));
  if (numbers.length !== 2) throw new Error("signature");
  const raw = new Uint8Array(2 * COORDINATE);
  numbers.forEach((number, index) => {
    let bytes = inside(data, number);
    while (bytes.length > COORDINATE && bytes[0] === 0) bytes = bytes.slice(1);
    if (number.tag !== INTEGER || bytes.length > COORDINATE) throw new Error("signature");
    raw.set(bytes, (index + 1) * COORDINATE - bytes.length);
  });
  return raw;
}

function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
