// This device's key and what it keeps, in IndexedDB of this origin. The private key can be used
// here and taken out by nobody, this script included. What is signed is made as in
// edgebox/pairing/keys.py.

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const DATABASE = "edgebox-pairing";
const STORE = "device";

/** Base64url without padding. */
export function encode(bytes) {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Undo `encode`. */
export function decode(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

/** Context and fields, each with its length in 4 bytes. */
export function transcript(...fields) {
  const parts = fields.map((field) => new TextEncoder().encode(String(field)));
  const all = new Uint8Array(parts.reduce((size, part) => size + 4 + part.length, 0));
  let at = 0;
  for (const part of parts) {
    new DataView(all.buffer).setUint32(at, part.length);
    all.set(part, at + 4);
    at += 4 + part.length;
  }
  return all;
}

/** 32 random bytes. */
export function nonce() {
  return encode(crypto.getRandomValues(new Uint8Array(32)));
}

/** Whether the holder of this key signed it. */
export function isSigned(key, signature, message) {
  return crypto.subtle.verify(SIGNING, key, signature, message);
}

/** A public key from SubjectPublicKeyInfo. */
export function publicKey(spki) {
  return crypto.subtle.importKey("spki", spki, CURVE, false, ["verify"]);
}

/** This device: made at the first call, the same ever after. */
export async function openDevice() {
  const database = await open();
  const kept = (await request(store(database, "readonly").get("me"))) ?? (await make(database));
  const point = await crypto.subtle.exportKey("raw", kept.publicKey);
  const digest = await crypto.subtle.digest("SHA-256", point);
  return new Device(database, kept, encode(point), hex(digest).slice(0, 32));
}

class Device {
  #database;
  #kept;

  constructor(database, kept, point, id) {
    this.#database = database;
    this.#kept = kept;
    this.point = point;
    this.id = id;
  }

  /** Certificate of the authority whose boxes we believe, DER; undefined: not enrolled. */
  get authority() {
    return this.#kept.authority;
  }

  /** The newest lease, as a box gave it. */
  get last() {
    return this.#kept.last;
  }

  /** Sign; gives base64url. */
  async sign(...fields) {
    const message = transcript(...fields);
    return encode(await crypto.subtle.sign(SIGNING, this.#kept.privateKey, message));
  }

  /** Keep these as well; they survive a flat battery once this has returned. */
  async keep(changes) {
    this.#kept = { ...this.#kept, ...changes };
    await put(this.#database, this.#kept);
  }
}

async function make(database) {
  const pair = await crypto.subtle.generateKey(CURVE, false, ["sign", "verify"]);
  const kept = { privateKey: pair.privateKey, publicKey: pair.publicKey };
  await put(database, kept);
  await navigator.storage?.persist?.();
  return kept;
}

function open() {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return request(opening);
}

function store(database, mode) {
  return database.transaction(STORE, mode, { durability: "strict" }).objectStore(STORE);
}

function put(database, kept) {
  const place = store(database, "readwrite");
  return new Promise((resolve, reject) => {
    place.transaction.oncomplete = resolve;
    place.transaction.onabort = () => reject(place.transaction.error);
    place.put(kept, "me");
  });
}

function request(one) {
  return new Promise((resolve, reject) => {
    one.onsuccess = () => resolve(one.result);
    one.onerror = () => reject(one.error);
  });
}

function hex(bytes) {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
