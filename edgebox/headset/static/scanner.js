// Reads QR codes from the picture where the browser can (Android Chrome). A head-worn display has a
// scanner of its own, which fills the text field.

const EVERY_MS = 300;

export class Scanner {
  constructor(video, found) {
    this.video = video;
    this.found = found;
    this.timer = null;
    this.last = "";
    this.detector = globalThis.BarcodeDetector
      ? new BarcodeDetector({ formats: ["qr_code"] })
      : null;
  }

  run(wanted) {
    if (!this.detector || wanted === Boolean(this.timer)) return;
    clearInterval(this.timer);
    this.timer = wanted ? setInterval(() => this.look(), EVERY_MS) : null;
  }

  async look() {
    if (!this.video.videoWidth) return;
    const codes = await this.detector.detect(this.video).catch(() => []);
    const text = codes[0]?.rawValue ?? "";
    if (text && text !== this.last) {
      this.last = text;
      this.found(text);
    }
  }
}
