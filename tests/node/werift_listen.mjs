// Hears what a WHEP endpoint sends, with werift's own ICE, DTLS and SRTP: no browser's stack.
//
//   node werift_listen.mjs URL BEARER
//
// Writes one word a line: answered, connected, and each Opus packet in hexadecimal.

import { RTCPeerConnection, RTCRtpCodecParameters } from "werift";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // the laboratory's authority
const [url, bearer] = process.argv.slice(2);
const say = (word) => process.stdout.write(`${word}\n`);

const opus = new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48000, channels: 2 });
const pc = new RTCPeerConnection({ codecs: { video: [], audio: [opus] }, bundlePolicy: "max-bundle" });
const transceiver = pc.addTransceiver("audio", { direction: "recvonly" });
transceiver.onTrack.subscribe((track) => {
  track.onReceiveRtp.subscribe(({ payload }) => say(payload.toString("hex")));
});
await pc.setLocalDescription(await pc.createOffer());
const answer = await fetch(url, {
  method: "POST",
  headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/sdp" },
  body: pc.localDescription.sdp,
});
if (answer.status !== 201) {
  say(`refused ${answer.status} ${await answer.text()}`);
  process.exit(1);
}
say("answered");
await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
if (pc.connectionState !== "connected") {
  await pc.connectionStateChange.watch((state) => state === "connected", 10_000);
}
say("connected");
