// One vehicle. Whatever is shown here was fetched by an order of this session; when the session
// ends, by whomever, the page is emptied at once.

import { drawCall, prepareCall } from "./call.js";
import { clearTests, isTesting, offerTests, prepareTests, run } from "./link_test.js";
import { drawPlots } from "./plot.js";
import { closeShell, drawShell, prepareShell } from "./shell.js";
import { drawCameras, drawStill, emptyCameras, prepareCameras } from "./cameras.js";
import { ask, clock, data, element, fill, find, problem, say, software } from "./shared.js";

const LOOK_MS = 2_000;
const JOURNAL_MS = 1_500;
const LINES_MAX = 1_000;
const SILENT_MS = 5_000;

const base = `/desk/box/${data.box.id}`;
let box = data.box;
let leftAt = performance.now();
let heardAt = performance.now();
let inside = false;
let looking = false;
let journal = null;

find("vehicle").textContent = box.vehicle;
find("bundle").href = `${base}/bundle`;

function order(deed) {
  return ask(`${base}/order`, { deed });
}

// The session

function follow() {
  const source = new EventSource(`${base}/events`);
  source.addEventListener("box", (event) => {
    heardAt = performance.now();
    box = JSON.parse(event.data);
    leftAt = performance.now();
    drawSession();
  });
  source.addEventListener("beat", () => {
    heardAt = performance.now();
  });
  source.addEventListener("chat", (event) => drawLine(JSON.parse(event.data)));
  setInterval(() => {
    if (performance.now() - heardAt > SILENT_MS) {
      box = { ...box, state: "off", ended: "hub", reachable: false };
      drawSession();
    }
    drawLeft();
  }, 500);
}

function drawSession() {
  const mine = box.state === "active" && box.serial === data.serial;
  find("situation").textContent = situation(mine);
  find("software").textContent = software(box);
  find("situation").dataset.state = mine ? "active" : box.state;
  find("request").hidden = mine || !box.reachable || box.state === "active" || asked();
  find("leave").hidden = !mine;
  find("inside").hidden = !mine;
  if (mine && !inside) begin();
  if (!mine && inside) empty();
  inside = mine;
  drawShell(mine ? box.commandLine : "none");
  drawStill(mine ? box.still : "off", box.stillCamera);
  find("way").textContent = mine ? way() : "";
  drawCall(box, mine);
  drawLeft();
}

function asked() {
  return box.state === "asked" && box.serial === data.serial;
}

function situation(mine) {
  if (!box.reachable) {
    if (box.ended === "hub") return say("situation.no-hub");
    return say(box.bridge === false ? "situation.no-bridge" : "situation.no-support");
  }
  if (mine) return say("situation.active");
  if (box.state === "active") return say("situation.other", { name: box.technician });
  if (asked()) return say("situation.waiting");
  if (box.state === "asked") return say("situation.asked");
  return box.ended ? say(`ended.${box.ended}`) : say("situation.off");
}

/** How it gets there when not as usual. */
function way() {
  if (!box.direct) return "";
  const said = [say(box.over ? "way.over" : "way.direct", { link: box.over })];
  if (box.clock) said.push(say("way.clock"));
  return said.join(" ");
}

function drawLeft() {
  const seconds = Math.max(0, box.left - (performance.now() - leftAt) / 1000);
  const minutes = Math.floor(seconds / 60);
  const time = `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  find("left").textContent = inside ? say("left", { time }) : "";
}

function begin() {
  problem("");
  look();
}

function empty() {
  closeShell();
  emptyCameras();
  clearTests();
  journal = null;
  find("journal-follow").setAttribute("aria-pressed", "false");
  for (const id of ["missing", "findings", "links", "services", "plots", "chat"]) {
    find(id).replaceChildren();
  }
  for (const id of ["journal", "configuration", "test", "bond", "journal-missing"]) {
    find(id).textContent = "";
  }
  find("configuration").hidden = true;
}

// How it is

async function look() {
  if (looking) return;
  looking = true;
  while (inside || (box.state === "active" && box.serial === data.serial)) {
    const outlook = await order({ type: "look" });
    if (outlook && inside) drawOutlook(outlook);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  looking = false;
}

function drawOutlook(outlook) {
  find("missing-part").hidden = outlook.missing.length === 0;
  find("missing").replaceChildren(...outlook.missing.map((text) => element("li", text)));
  drawTest(outlook.test);
  drawCameras(outlook.cameras);
  find("bond").textContent = `bond: ${outlook.bond} ${outlook.bond_problem}`;
  fill(
    find("links"),
    outlook.links.map((link) => ({
      className: link.state,
      cells: [
        link.label || link.name,
        link.state,
        link.rtt_ms === null ? "–" : `${Math.round(link.rtt_ms)} ms`,
        `${(100 * link.loss).toFixed(1)} %`,
        megabits(link.capacity_bps),
        megabits(link.sent_bps),
        testButton(link),
      ],
    })),
  );
  offerTests(outlook.links);
  fill(
    find("services"),
    outlook.services.map((service) => ({
      className: service.state,
      cells: [
        service.service,
        service.state,
        say("since", { time: clock(service.since_utc) }),
        service.detail,
        restartButton(service),
      ],
    })),
  );
}

function megabits(bps) {
  return `${(bps / 1e6).toFixed(2)} Mbit/s`;
}

function drawTest(test) {
  if (!test) {
    find("test").textContent = say("test.none");
    return;
  }
  const count = { done: test.checks_done, all: test.checks_total };
  find("test").textContent =
    test.state === "running"
      ? say("test.running", count)
      : say(`test.${test.grade}`, { time: clock(test.finished_utc) });
  fill(
    find("findings"),
    test.findings.map((finding) => ({
      className: finding.grade,
      cells: [
        say(`grade.${finding.grade}`),
        finding.check,
        finding.subject,
        finding.measured,
        finding.look_at,
        checkButton(finding.check),
      ],
    })),
  );
}

/** Rows are drawn anew every other second: a press must not fall between two of them. */
function button(words, act) {
  const made = element("button", words);
  made.type = "button";
  made.addEventListener("pointerdown", act);
  made.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") act();
  });
  return made;
}

function testButton(link) {
  const made = button(say("link-test"), () => run(link));
  made.disabled = isTesting();
  return made;
}

function checkButton(check) {
  return button(say("again"), () => order({ type: "check", check }));
}

function restartButton(service) {
  if (service.service === "support" || service.state === "stopped") return "";
  return button(say("restart"), async () => {
    if (!confirm(say("restart.sure", { name: service.service }))) return;
    if (await order({ type: "restart", service: service.service })) problem("");
  });
}

// Parts fetched by a press

find("check-all").addEventListener("click", () => order({ type: "check", check: "" }));

find("history").addEventListener("click", async () => {
  const hours = Number(find("hours").value);
  const answer = await order({ type: "history", hours });
  if (answer && inside) drawPlots(find("plots"), answer.rows, hours);
});

find("configuration-show").addEventListener("click", async () => {
  const answer = await order({ type: "configuration" });
  if (!answer || !inside) return;
  find("configuration").textContent = answer.text;
  find("configuration").hidden = false;
});

find("journal-follow").addEventListener("click", () => {
  const on = journal === null;
  find("journal-follow").setAttribute("aria-pressed", String(on));
  journal = null;
  if (on) followJournal();
});

for (const id of ["journal-service", "journal-level", "journal-text"]) {
  find(id).addEventListener("change", () => {
    if (journal !== null) followJournal();
  });
}

async function followJournal() {
  const mine = { after: "" };
  journal = mine;
  find("journal").textContent = "";
  while (journal === mine && inside) {
    const part = await order({
      type: "journal",
      service: find("journal-service").value,
      level: find("journal-level").value,
      text: find("journal-text").value,
      after: mine.after,
    });
    if (journal !== mine || !inside) return;
    if (part) {
      mine.after = part.after;
      find("journal-missing").textContent = part.missing;
      appendLines(part.lines);
    }
    await new Promise((resolve) => setTimeout(resolve, JOURNAL_MS));
  }
}

function appendLines(lines) {
  const place = find("journal");
  const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 4;
  for (const line of lines) {
    const words = `${clock(line.at_utc)} ${line.service} ${line.text}\n`;
    place.append(element("span", words, line.level));
  }
  while (place.childElementCount > LINES_MAX) place.firstElementChild.remove();
  if (atEnd) place.scrollTop = place.scrollHeight;
}

// Chat, coming and going

function drawLine(line) {
  if (!inside) return;
  const row = element("li", line.text, line.by);
  row.prepend(element("b", `${say(`chat.${line.by}`)}: `));
  find("chat").append(row);
}

find("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("line").value.trim();
  if (text && (await order({ type: "chat", text }))) find("line").value = "";
});

find("request").addEventListener("click", async () => {
  find("request").disabled = true;
  await ask(`${base}/request`, {});
  find("request").disabled = false;
});

find("leave").addEventListener("click", () => order({ type: "leave" }));

prepareShell(base, order);
prepareCameras(order);
prepareTests(order);
prepareCall(base, order);
drawSession();
follow();
