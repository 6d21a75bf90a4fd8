// Publishes to a WHIP endpoint with werift's own ICE, DTLS and SRTP: no browser's stack.
//
//   node werift_publish.mjs URL BEARER CODEC FILE
//
// CODEC: H264 or VP8. FILE: RTP packets, each after its length in two bytes, sent in a loop at the
// pace of their time stamps. Writes one word a line: published, connected, keyframe (asked for).

import { readFileSync } from "node:fs";
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpPacket } from "werift";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // the laboratory's authority
const [url, bearer, name, file] = process.argv.slice(2);
const say = (word) => process.stdout.write(`${word}\n`);

const feedback = ["nack", "nack pli", "goog-remb"].map((way) => {
  const [type, parameter] = way.split(" ");
  return { type, ...(parameter && { parameter }) };
});
const codec = new RTCRtpCodecParameters({
  mimeType: `video/${name}`,
  clockRate: 90000,
  rtcpFeedback: feedback,
  ...(name === "H264" && {
    parameters: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
  }),
});
const pc = new RTCPeerConnection({ codecs: { video: [codec], audio: [] }, bundlePolicy: "max-bundle" });
const track = new MediaStreamTrack({ kind: "video" });
const transceiver = pc.addTransceiver(track, { direction: "sendonly" });
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
say("published");
await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
transceiver.sender.onPictureLossIndication?.subscribe?.(() => say("keyframe"));
if (pc.connectionState !== "connected") {
  await pc.connectionStateChange.watch((state) => state === "connected", 10_000);
}
say("connected");

const bytes = readFileSync(file);
const packets = [];
for (let at = 0; at < bytes.length; ) {
  const length = bytes.readUInt16BE(at);
  packets.push(RtpPacket.deSerialize(bytes.subarray(at + 2, at + 2 + length)));
  at += 2 + length;
}
let number = 0;
let stamp = 0;
for (;;) {
  const began = packets[0].header.timestamp;
  let last = began;
  for (const packet of packets) {
    if (packet.header.timestamp !== last) {
      await new Promise((done) => setTimeout(done, (packet.header.timestamp - last) / 90));
    }
    last = packet.header.timestamp;
    packet.header.sequenceNumber = number++ & 0xffff;
    const own = packet.header.timestamp;
    packet.header.timestamp = (stamp + own - began) >>> 0;
    track.writeRtp(packet);
    packet.header.timestamp = own;
  }
  stamp += last - began + 3000;
}
