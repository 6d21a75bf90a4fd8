// A picture that remote help sent to who wears this: put together piece by piece, shown over the
// device's own until it is closed or has stood for a while.

const PARTS_MAX = 100;
const BYTES_MAX = 400_000; // as text
const SHOWN_MS = 120_000;

export class Picture {
  // changed(): `by` is another: who sent what is shown, or empty.
  constructor(image, changed) {
    this.image = image;
    this.changed = changed;
    this.by = "";
    this.coming = null; // {key, parts, size}
    this.url = "";
    this.timer = 0;
  }

  take({ by, id, part, of, data }) {
    const key = `${by}/${id}/${of}`;
    if (part === 0) this.coming = { key, parts: [], size: 0 };
    const { coming } = this;
    // One that began while nobody listened here is not shown in part.
    if (coming?.key !== key || part !== coming.parts.length || of > PARTS_MAX) return;
    coming.parts.push(data);
    coming.size += data.length;
    if (coming.size > BYTES_MAX) this.coming = null;
    else if (coming.parts.length === of) this.show(by, coming.parts);
  }

  async show(by, parts) {
    this.coming = null;
    const bytes = parts.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
    const url = URL.createObjectURL(new Blob(bytes, { type: "image/jpeg" }));
    const next = new Image();
    next.src = url;
    const decoded = await next.decode().then(() => true, () => false);
    if (!decoded) {
      URL.revokeObjectURL(url);
      return;
    }
    this.close();
    this.url = this.image.src = url;
    this.by = by;
    this.timer = setTimeout(() => this.close(), SHOWN_MS);
    this.changed();
  }

  close() {
    clearTimeout(this.timer);
    this.coming = null;
    if (!this.url) return;
    this.image.removeAttribute("src");
    URL.revokeObjectURL(this.url);
    this.url = this.by = "";
    this.changed();
  }
}
