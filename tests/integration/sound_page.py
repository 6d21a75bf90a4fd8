"""A browser page that takes part in a call: it speaks, listens, shows a camera.

What the page says is a beep of 1 kHz for 40 ms at each full second of the wall clock, as the box's
microphone of kind `tone` does. What it hears is searched for the same beeps.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page

from edgebox.media.sound.device import HEADER
from edgebox.messages.base import Fault, Role
from edgebox.messages.session import WATCH, TurnCredentials, WatchAnswer, WatchOffer
from tests.conftest import TurnServer
from tests.integration.media_rig import Observer, admit, trickle

CALL_FLAGS = ("--autoplay-policy=no-user-gesture-required",)
RATE_HZ = 48_000

CALL_JS = """
window.listenerCode = `
registerProcessor("beeps", class extends AudioWorkletProcessor {
  // Energy at 1 kHz and in all, over the last 480 samples (10 periods), every 128.
  constructor() { super(); this.kept = new Float32Array(480); this.quiet = true; this.sum = 0;
                  this.blocks = 0; }
  process(inputs) {
    const input = inputs[0][0];
    if (!input) return true;
    this.kept.copyWithin(0, 128); this.kept.set(input, 352);
    let re = 0, im = 0, all = 0;
    for (let i = 0; i < 480; i++) {
      const phase = 2 * Math.PI * i / 48, v = this.kept[i];
      re += v * Math.cos(phase); im += v * Math.sin(phase); all += v * v;
    }
    const tone = 2 * (re * re + im * im) / 480;
    for (const v of input) this.sum += v * v;
    this.blocks++;
    const beep = tone > 1.5 && tone > 0.5 * all;
    if (beep && this.quiet) this.port.postMessage({at: currentFrame});
    if (beep) this.quiet = false; else if (tone < 0.5) this.quiet = true;
    if (this.blocks === 375) {
      this.port.postMessage({level: Math.sqrt(this.sum / this.blocks / 128)});
      this.sum = 0; this.blocks = 0;
    }
    return true;
  }
});`;
window.callContext = () => window.contextReady ??= window.openContext();
window.openContext = async () => {
  const context = window.context = new AudioContext({sampleRate: 48000, latencyHint: 0});
  await context.resume();
  await context.audioWorklet.addModule(
    URL.createObjectURL(new Blob([window.listenerCode], {type: "text/javascript"})));
  // Wall clock of the context's time 0: the least of the last second, others were read late. Its
  // clock is the sound card's, which is not the wall's.
  const recent = [];
  setInterval(() => {
    recent.push(performance.timeOrigin + performance.now() - context.currentTime * 1e3);
    if (recent.length > 50) recent.shift();
    window.zero = Math.min(...recent);
  }, 20);
  return context;
};
window.mouth = async () => {
  const context = await window.callContext();
  const out = context.createMediaStreamDestination();
  const gain = context.createGain();
  const tone = new OscillatorNode(context, {frequency: 1000});
  gain.gain.value = 0;
  tone.connect(gain).connect(out);
  tone.start();
  let next = 0;
  setInterval(() => {
    const now = window.zero + context.currentTime * 1e3;
    const second = Math.ceil((now + 100) / 1000) * 1000;
    if (second <= next) return;
    next = second;
    const at = (second - window.zero) / 1e3;
    gain.gain.setValueAtTime(0.4, at);
    gain.gain.setValueAtTime(0, at + 0.04);
  }, 50);
  return out.stream.getAudioTracks()[0];
};
window.eye = () => {
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 180;
  const draw = canvas.getContext("2d");
  setInterval(() => {
    draw.fillStyle = `hsl(${performance.now() / 10 % 360} 80% 50%)`;
    draw.fillRect(0, 0, 320, 180);
  }, 40);
  return canvas.captureStream(25).getVideoTracks()[0];
};
window.ear = async (peer, track) => {
  const element = new Audio();
  element.srcObject = new MediaStream([track]);
  element.muted = true;
  await element.play().catch(() => {});
  const context = await window.callContext();
  const listener = new AudioWorkletNode(context, "beeps");
  listener.port.onmessage = ({data}) => {
    if (data.at !== undefined) peer.beeps.push(window.zero + data.at / 48);
    if (data.level !== undefined) peer.levels.push(data.level);
  };
  context.createMediaStreamSource(element.srcObject).connect(listener);
};
window.makeCall = async (name, {sections, sound, mute, guest, relay, codec}) => {
  const pc = new RTCPeerConnection({iceServers: [relay], iceTransportPolicy: "relay"});
  const peer = window.peers[name] = {pc, videos: {}, candidates: [], beeps: [], levels: [],
                                     startedAt: 0};
  pc.onicecandidate = (event) => {
    if (event.candidate) peer.candidates.push(event.candidate.toJSON());
  };
  pc.ontrack = (event) => {
    if (event.track.kind === "audio") { window.ear(peer, event.track); return; }
    const video = document.createElement("video");
    video.muted = true; video.autoplay = true; video.playsInline = true;
    video.srcObject = new MediaStream([event.track]);
    document.body.append(video);
    peer.videos[event.transceiver.mid] = video;
  };
  for (let i = 0; i < sections; i++) pc.addTransceiver("video", {direction: "recvonly"});
  if (sound) {
    const track = mute || sound === "recvonly" ? "audio" : await window.mouth();
    peer.mouth = pc.addTransceiver(track, {direction: sound}).sender;
  }
  if (guest) {
    const sending = pc.addTransceiver(guest === "dark" ? "video" : window.eye(),
                                      {direction: "sendonly"});
    peer.eye = sending.sender;
    if (codec) sending.setCodecPreferences(RTCRtpReceiver.getCapabilities("video").codecs.filter(
      (one) => one.mimeType === "video/" + codec));
  }
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
};
"""


async def call(
    box: Observer,
    page: Page,
    turn: TurnServer,
    *,
    peer: str = "p1",
    participant: str = "person",
    role: Role = "doctor",
    **parts: Any,
) -> WatchAnswer | Fault:
    """Admit the person and connect. `parts`: sections, sound, mute, guest, codec of makeCall."""
    await admit(box, participant, role)
    username, password = turn.credentials()
    relay = {
        "urls": f"turn:{turn.address}?transport=udp",
        "username": username,
        "credential": password,
    }
    wanted = {"sections": 0, "sound": "sendrecv", "relay": relay} | parts
    sdp = await page.evaluate("([name, wanted]) => makeCall(name, wanted)", [peer, wanted])
    offer = WatchOffer(
        session=box.sessions[-1].id,
        peer=peer,
        name="Dr. Test",
        role=role,
        participant=participant,
        sdp=sdp,
        turn=TurnCredentials(username=username, password=password),
    )
    question = box.bus.request(WATCH, offer, timeout_s=8)
    asked = asyncio.create_task(question)
    trickled = asyncio.create_task(trickle(box, page, peer))
    answer = await asked
    if isinstance(answer, WatchAnswer):
        await page.evaluate("([name, sdp]) => takeAnswer(name, sdp)", [peer, answer.sdp])
    await trickled
    return answer


async def beeps_heard(
    page: Page, peer: str, count: int, since_utc: float = 0, timeout_s: float = 10
) -> list[float]:
    """Wall times (s) of beeps the page heard since then, once there are so many."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await page.evaluate("(name) => peers[name].beeps", peer)
        times = [at / 1000 for at in found if at / 1000 >= since_utc]
        if len(times) >= count:
            return times
        assert time.monotonic() < deadline, f"beeps heard: {times}"
        await asyncio.sleep(0.05)


def beeps_played(path: Path) -> list[float]:
    """Wall times (s) of beeps in what a loudspeaker of kind `file` has played."""
    data = path.read_bytes() if path.exists() else b""
    head = len(HEADER.format(0))
    if len(data) < head:
        return []
    start_utc = float(data[:head].decode().split("at_utc=")[1])
    usable = len(data) - head - (len(data) - head) % 2
    samples = np.frombuffer(data, np.int16, usable // 2, head).astype(np.float64) / 32768
    return [start_utc + at / RATE_HZ for at in beep_starts(samples)]


def beep_starts(samples: "np.ndarray[Any, Any]") -> list[int]:
    """Where beeps of 1 kHz begin, as the page's listener finds them."""
    phase = np.exp(-2j * np.pi * 1000 * np.arange(len(samples)) / RATE_HZ) * samples
    summed = np.concatenate([[0], np.cumsum(phase)])
    energy = np.concatenate([[0], np.cumsum(samples**2)])
    starts, quiet = [], True
    for end in range(480, len(samples), 128):
        tone = 2 * abs(summed[end] - summed[end - 480]) ** 2 / 480
        whole = energy[end] - energy[end - 480]
        beep = tone > 1.5 and tone > 0.5 * whole
        if beep and quiet:
            starts.append(end - 240)
        quiet = not beep and (quiet or tone < 0.5)
    return starts
