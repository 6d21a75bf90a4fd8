// The crew's link: its secret stands behind # and is spent by the button alone.

import { ask, data, find, problem, say } from "./shared.js";

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
find("vehicle").textContent = data.box.vehicle;
if (!/^[A-Za-z0-9_-]{32}$/.test(token)) {
  problem(say("join.broken"));
  find("join").disabled = true;
}

find("join").addEventListener("click", async () => {
  find("join").disabled = true;
  if (await ask(`/desk/join/${data.box.id}`, { token })) location.href = `/desk/box/${data.box.id}`;
});
