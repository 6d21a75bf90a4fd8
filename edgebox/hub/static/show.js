// The large picture as it stands, frozen or live, with what is drawn on it: a JPEG for who wears its
// camera, small enough for their display and for the vehicle's links.

const WIDTH = 854;
const HEIGHT = 480;
const ENOUGH_BYTES = 100_000;
const MOST_BYTES = 300_000; // the box takes no more
const QUALITIES = [0.8, 0.6, 0.4, 0.2];
const PIECE_BYTES = 16_384;
const LINE = 5; // CSS pixels of the device
const INK = ["#06131a", "#ffe14d"]; // an edge around each line, to be seen on any ground

// tell(message or bytes): on the data channel; false if there is none.
export async function show(tile, camera, tell) {
  const canvas = drawn(tile);
  const blob = canvas && (await small(canvas));
  if (!blob || blob.size > MOST_BYTES) return false;
  const bytes = new Uint8Array(await blob.arrayBuffer());
  if (!tell({ type: "Show", camera, bytes: bytes.length })) return false;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (!tell(bytes.subarray(at, at + PIECE_BYTES))) return false;
  }
  return true;
}

function drawn(tile) {
  const source = tile.still?.canvas ?? tile.shown?.video;
  const [width, height] = [source?.width || source?.videoWidth, source?.height || source?.videoHeight];
  if (!width || !height || tile.isHidden) return null;
  const scale = Math.min(1, WIDTH / width, HEIGHT / height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  context.lineCap = context.lineJoin = "round";
  const lines = tile.ink.lines();
  INK.forEach((colour, number) => {
    context.strokeStyle = colour;
    context.lineWidth = number ? LINE : LINE + 4;
    for (const points of lines) trace(context, points, tile.part);
  });
  return canvas;
}

// points: fractions of the whole sensor picture, of which `part` is seen.
function trace(context, points, part) {
  const { width, height } = context.canvas;
  context.beginPath();
  for (const [x, y] of points) {
    context.lineTo(((x - part.x) / part.size) * width, ((y - part.y) / part.size) * height);
  }
  context.stroke();
}

async function small(canvas) {
  let blob = null;
  for (const quality of QUALITIES) {
    blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
    if (!blob || blob.size <= ENOUGH_BYTES) break;
  }
  return blob;
}
