// The list of vehicles: who asks for help stands first.

import { data, element, find, problem, say, software } from "./shared.js";

const POLL_MS = 2_000;

function draw(boxes) {
  find("nobody").hidden = boxes.length > 0;
  find("boxes").replaceChildren(
    ...boxes.map((box) => {
      const row = element("li", "", `box ${box.state}`);
      const link = element("a", box.vehicle);
      link.href = `/desk/box/${box.id}`;
      const words = box.reachable ? say(`list.${box.state}`, { name: box.technician }) : "";
      row.append(link, element("span", words || say("list.away"), "quiet"));
      if (box.doubled) row.append(element("span", say("list.doubled"), "doubled"));
      row.append(element("span", software(box), "quiet software"));
      row.dataset.box = box.id;
      return row;
    }),
  );
}

async function poll() {
  try {
    const response = await fetch("/desk/boxes", { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(String(response.status));
    draw(await response.json());
    problem("");
  } catch {
    problem(say("fault.hub"));
  }
  setTimeout(poll, POLL_MS);
}

draw(data.boxes);
setTimeout(poll, POLL_MS);
