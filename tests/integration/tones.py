"""Pages that speak in tones, each in its own, so that it can be told who is heard where."""

import asyncio
import time

from playwright.async_api import Page

CABIN_HZ, DOCTOR_HZ, WEARER_HZ = 1000, 700, 1900
"""The box's microphone of kind `tone` beeps at its own."""
HEARD_DB = -45
AUDIBLE_FLAGS = ("--autoplay-policy=no-user-gesture-required",)

TONES_JS = """
window.spoken = (hz) => {
  const context = new AudioContext(), out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, {frequency: hz});
  const gain = new GainNode(context, {gain: 0.3});
  tone.connect(gain).connect(out);
  tone.start();
  return out.stream.getAudioTracks()[0];
};
// The loudest that was ever there at each frequency since the last call, in dB.
window.listenTo = (stream, all) => {
  const context = new AudioContext(), analyser = new AnalyserNode(context, {fftSize: 8192,
    smoothingTimeConstant: 0});
  const element = new Audio();
  element.srcObject = stream;
  element.muted = true;
  element.play().catch(() => {});
  context.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const found = Object.fromEntries(all.map((hz) => [hz, -200]));
  setInterval(() => {
    analyser.getFloatFrequencyData(bins);
    for (const hz of all) {
      const at = Math.round(hz * analyser.fftSize / context.sampleRate);
      found[hz] = Math.max(found[hz], ...bins.subarray(at - 3, at + 4));
    }
  }, 50);
  return () => { const now = {...found}; for (const hz of all) found[hz] = -200; return now; };
};
"""

WEARER_JS = (
    TONES_JS
    + f"""
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => {{
  const stream = await open({{video: wishes.video}});
  stream.addTrack(window.spoken({WEARER_HZ}));
  return stream;
}};
"""
)
"""Before the headset's own scripts: its microphone hears the wearer's tone."""

DOCTOR_JS = (
    TONES_JS
    + f"""
window.mouth = async () => window.spoken({DOCTOR_HZ});
window.ear = async (peer, track) => {{
  window.heard = window.listenTo(new MediaStream([track]), [{CABIN_HZ}, {DOCTOR_HZ}, {WEARER_HZ}]);
}};
"""
)
"""After sound_page.CALL_JS."""

ATTACH_JS = f"""() => {{
  const stream = document.getElementById("voices").srcObject;
  if (!stream) return false;
  window.heard = window.listenTo(stream, [{CABIN_HZ}, {DOCTOR_HZ}, {WEARER_HZ}]);
  return true;
}}"""
"""On the headset's page: what its loudspeaker is given, from now on."""


async def heard_within(page: Page, seconds: float) -> set[int]:
    """Whose tones the page heard in this time."""
    await page.evaluate("heard()")
    await asyncio.sleep(seconds)
    found: dict[str, float] = await page.evaluate("heard()")
    return {int(hz) for hz, level in found.items() if level > HEARD_DB}


async def until_heard(page: Page, wanted: set[int], timeout_s: float = 10) -> None:
    """Just these, for so long: the cabin's beep comes once a second."""
    deadline = time.monotonic() + timeout_s
    while (found := await heard_within(page, 1.2)) != wanted:
        assert time.monotonic() < deadline, f"heard {found}, not {wanted}"
