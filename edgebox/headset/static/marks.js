// What remote help points at and draws, over the device's own picture.

const SVG = "http://www.w3.org/2000/svg";
const POINTERS_MAX = 8;

export class Marks {
  constructor(svg, video) {
    this.svg = svg;
    this.video = video;
    this.pointers = new Map();
    this.lines = new Map();
    video.addEventListener("resize", () => this.place());
    // What stands beside the picture comes and goes, and makes it smaller.
    new ResizeObserver(() => this.place()).observe(video);
  }

  // The drawing lies exactly over the picture, whatever is left free beside it.
  place() {
    const { videoWidth, videoHeight, clientWidth, clientHeight } = this.video;
    if (!videoWidth) return;
    const scale = Math.min(clientWidth / videoWidth, clientHeight / videoHeight);
    const [width, height] = [videoWidth * scale, videoHeight * scale];
    Object.assign(this.svg.style, {
      width: `${width}px`,
      height: `${height}px`,
      left: `${(clientWidth - width) / 2}px`,
      top: `${(clientHeight - height) / 2}px`,
    });
    this.svg.setAttribute("viewBox", `0 0 ${videoWidth} ${videoHeight}`);
    this.redraw();
  }

  take(event) {
    switch (event.type) {
      case "point":
        if (event.on && (this.pointers.has(event.by) || this.pointers.size < POINTERS_MAX)) {
          this.pointers.set(event.by, event);
        } else if (!event.on) this.pointers.delete(event.by);
        break;
      case "line":
        this.lines.set(event.stroke, [...(this.lines.get(event.stroke) ?? []), ...event.points]);
        break;
      case "wipe":
        this.lines.clear();
        break;
      default:
        return;
    }
    this.redraw();
  }

  clear() {
    this.pointers.clear();
    this.lines.clear();
    this.redraw();
  }

  redraw() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const unit = Math.max(width, height) / 100;
    const shapes = [...this.lines.values()].map((points) =>
      shape("polyline", {
        points: points.map(([x, y]) => `${x * width},${y * height}`).join(" "),
        "stroke-width": unit * 0.6,
      }),
    );
    for (const { x, y } of this.pointers.values()) {
      const at = { cx: x * width, cy: y * height };
      shapes.push(shape("circle", { ...at, r: unit * 2.6, "stroke-width": unit * 1.1, class: "edge" }));
      shapes.push(shape("circle", { ...at, r: unit * 2.6, "stroke-width": unit * 0.6 }));
    }
    this.svg.replaceChildren(...shapes);
  }
}

function shape(kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
