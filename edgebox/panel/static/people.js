// Who waits to be let in, and who is with us: one tap lets in or turns away, one tap silences, two
// put somebody out.

import { ask } from "./ask.js";
import { find, say, setText } from "./page.js";
import { preparePane } from "./panes.js";
import { onTap } from "./tap.js";

const FRESH_MS = 700;
const BOUNCE_MS = 350;
const SURE_MS = 5_000;
const GAP_PX = 6;

let people = [];
let first = 0;
let pageSize = 1;

/** Wire the pane. */
export function preparePeople() {
  preparePane("people", "people", () => {
    first = 0;
    drawMembers();
  });
  onTap(find("people-more"), () => {
    first = first + pageSize < people.length ? first + pageSize : 0;
    drawMembers();
  });
}

/** Draw guests and members of a state. */
export function drawPeople(state) {
  people = state.people;
  setText(find("people").querySelector(".label"), state.peopleText);
  document.body.dataset.guests = state.guests.length || (state.headset.card ? 1 : 0);
  // Where no person waits, the place is the headset's (headset.js).
  if (state.guests.length > 0 || !state.headset.card) {
    drawGuest(state.guests[0], state.guests.length);
  }
  if (first >= people.length) first = 0;
  drawMembers();
}

/** The longest waiting; a card that has just come takes no tap that was meant for what was there. */
function drawGuest(guest, count) {
  const place = find("guests");
  const key = guest ? `${guest.id} ${guest.role}` : "";
  if (place.dataset.drawn !== key) {
    place.dataset.drawn = key;
    place.replaceChildren(...(guest ? [guestCard(guest)] : []));
  }
  if (!guest) return;
  const card = place.firstElementChild;
  setText(card.querySelector(".name"), guest.name);
  setText(card.querySelector(".role"), guest.roleText);
  setText(card.querySelector(".gets"), guest.gets);
  setText(card.querySelector(".more"), count > 1 ? `+${count - 1}` : "");
}

function guestCard(guest) {
  const card = copy("guest-card");
  card.dataset.participant = guest.id;
  const since = performance.now();
  const act = (button, path, body) =>
    onTap(button, async () => {
      if (performance.now() - since < FRESH_MS || card.classList.contains("asked")) return;
      card.classList.add("asked");
      button.classList.add("asked");
      await ask(path, body);
      card.classList.remove("asked");
      button.classList.remove("asked");
    });
  const admit = card.querySelector(".admit");
  admit.hidden = !guest.admissible;
  act(admit, "/admit", { participant: guest.id, role: guest.role });
  act(card.querySelector(".refuse"), "/refuse", { participant: guest.id });
  return card;
}

function drawMembers() {
  if (find("people-pane").hidden) return;
  const place = find("members");
  pageSize = placesFor(find("people-pane"));
  const shown = people.slice(first, first + pageSize);
  const ids = shown.map((one) => one.id || one.name).join(" ");
  if (place.dataset.ids !== ids) {
    place.dataset.ids = ids;
    place.replaceChildren(...shown.map(memberRow));
  }
  shown.forEach((one, index) => fillMember(place.children[index], one));
  find("people-nobody").hidden = people.length > 0;
  const more = find("people-more");
  more.hidden = people.length <= pageSize;
  const last = first + shown.length;
  const span = `${first + 1}–${last}`;
  setText(more, say("people.more").replace("{span}", span).replace("{all}", people.length));
}

/** Two columns of as many rows as there is room for; the last place is for the buttons. */
function placesFor(pane) {
  const row = parseFloat(getComputedStyle(find("people")).minHeight);
  const rows = Math.max(1, Math.floor((pane.clientHeight - GAP_PX) / (row + GAP_PX)));
  pane.style.setProperty("--rows", rows);
  return 2 * rows - 1;
}

function memberRow(one) {
  const row = copy("member");
  row.dataset.participant = one.id;
  const silence = row.querySelector(".silence");
  onTap(silence, async () => {
    silence.classList.add("asked");
    const muted = silence.getAttribute("aria-pressed") !== "true";
    await ask("/mute-guest", { participant: row.dataset.participant, muted });
    silence.classList.remove("asked");
  });
  twice(row.querySelector(".put-out"), () =>
    ask("/refuse", { participant: row.dataset.participant }),
  );
  return row;
}

function fillMember(row, one) {
  setText(row.querySelector(".name"), one.name);
  setText(row.querySelector(".role"), one.role);
  setText(row.querySelector(".now"), one.text || one.now);
  row.classList.toggle("connected", one.state === "connected");
  const silence = row.querySelector(".silence");
  silence.hidden = !one.speaks || !one.id;
  silence.setAttribute("aria-pressed", one.silenced);
  setText(silence.querySelector(".label"), one.silenceText);
  row.querySelector(".put-out").hidden = !one.id;
}

/** A second tap within some seconds is meant; one right after the first is the same finger. */
export function twice(button, act) {
  const label = button.querySelector(".label");
  const words = label.textContent;
  let askedAt = 0;
  let timer = 0;
  const back = () => {
    clearTimeout(timer);
    askedAt = 0;
    button.classList.remove("sure");
    setText(label, words);
  };
  onTap(button, async (event) => {
    // When it was touched, not when a busy page came to hear of it.
    const now = event.timeStamp;
    if (!askedAt) {
      askedAt = now;
      button.classList.add("sure");
      setText(label, say("people.sure"));
      timer = setTimeout(back, SURE_MS);
    } else if (now - askedAt > BOUNCE_MS) {
      back();
      button.classList.add("asked");
      await act();
      button.classList.remove("asked");
    }
  });
}

/** One more of that template's element. */
export function copy(template) {
  return find(template).content.firstElementChild.cloneNode(true);
}
