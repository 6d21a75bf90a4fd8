"""How far the waves on the remote page are from the picture beside them, read from the pixels.

The simulated patient's R waves and the test picture's timestamp share one clock. At a new frame of
the picture the ECG's canvas is looked at: where each R wave stands says when the page takes it to
have been, reckoned from the right edge, which is the moment of the picture.
"""

import time
from dataclasses import dataclass

from playwright.async_api import Page

from edgebox.media.cameras.timestamp import READ_JS
from edgebox.sim.monitors.patient import Patient

PX_PER_S = 25 * 96 / 25.4
INK_S = 1.3
"""A beat is in it, whole. Where all are busy waves come late and little of them is in sight."""
R_PHASE = 0.3125
"""Of a beat of Patient: where its R wave is."""
LOOK_JS = (
    "(() => { const readStamp = "
    + READ_JS
    + """;
  window.lookAtWaves = () => new Promise((done) => {
    // Of the large one: others may rest, and their last picture may be the widest.
    const videos = [...document.querySelectorAll(".tile.main video")];
    const video = videos.find((one) => one.videoWidth);
    if (!video) return done(null);
    setTimeout(() => done(null), 2000);  // its connection may be replaced meanwhile
    video.requestVideoFrameCallback(() => {
      const picture = document.createElement("canvas");
      picture.width = video.videoWidth; picture.height = video.videoHeight;
      picture.getContext("2d", {willReadFrequently: true}).drawImage(video, 0, 0);
      const wave = document.querySelector("[data-name=MDC_ECG_ELEC_POTL_II] canvas");
      if (!wave?.width) return done(null);
      const {width, height} = wave;
      const {data} = wave.getContext("2d").getImageData(0, 0, width, height);
      const tops = [];
      for (let x = 0; x < width; x++) {
        let top = height;
        for (let y = height - 1; y >= 0; y--) {
          const at = 4 * (y * width + x);
          if (data[at + 1] > 200 && data[at] < 180) top = y;
        }
        tops.push(top);
      }
      done({stamp: readStamp(picture), ratio: devicePixelRatio, height, tops});
    });
  });
})()"""
)


@dataclass(frozen=True)
class Look:
    """One look at the page."""

    errors_s: tuple[float, ...]
    """Of each R wave in sight: the page's time of it less the true one."""
    newest_s: float
    """How far the newest ink is before the moment of the picture."""


async def look(page: Page) -> Look | None:
    """None if there is nothing to be seen yet. Run LOOK_JS in the page before."""
    seen = await page.evaluate("window.lookAtWaves()")
    if seen is None or seen["stamp"] is None:
        return None
    tops, height, ratio = seen["tops"], seen["height"], seen["ratio"]
    inked = [x for x, top in enumerate(tops) if top < height]
    if len(inked) < INK_S * PX_PER_S * ratio:
        return None
    per_s, width, picture_utc = PX_PER_S * ratio, len(tops), seen["stamp"] / 1000
    errors = [
        _off_beat(picture_utc - (width - x - 0.5) / per_s) for x in _peaks(tops, int(0.3 * per_s))
    ]
    return Look(tuple(errors), (width - inked[-1]) / per_s)


def _peaks(tops: list[int], apart: int) -> list[int]:
    """Columns of the R waves: the highest within `apart` on both sides, and near the highest."""
    highest = min(tops)
    reach = (max(top for top in tops if top < max(tops)) - highest) * 0.3
    found: list[int] = []
    for x in range(apart, len(tops) - apart):
        around = tops[x - apart : x + apart + 1]
        if tops[x] == min(around) and tops[x] <= highest + reach:
            if found and x - found[-1] < apart:
                continue
            found.append(x)
    return found


def _off_beat(at_utc: float) -> float:
    """Seconds from the nearest true R wave, whose beats go by the machine's monotonic clock."""
    beat_s = 60.0 / Patient().heart_rate
    at = at_utc - (time.time() - time.monotonic())
    off = (at / beat_s - R_PHASE + 0.5) % 1.0 - 0.5
    return off * beat_s
