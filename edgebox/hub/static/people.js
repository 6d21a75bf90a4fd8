// Who is here and what each of them gets at this moment, as the box itself says.

import { $, element } from "./dom.js";
import { list, say } from "./words.js";

export class People {
  // state: State of the hub.
  show(state) {
    const { people, you } = state;
    $("people").hidden = !you.admitted;
    const rows = people.map((person) => this.row(person, person.id === you.id));
    const cabin = this.cabin(state);
    if (cabin) rows.unshift(cabin);
    const made = rows.map((row) => row.outerHTML).join("");
    if (this.listed === made) return;
    this.listed = made;
    $("list").replaceChildren(...rows);
    if (people.length < 2) $("list").append(element("li", "alone", say("alone")));
  }

  row(person, isYou) {
    const row = element("li", person.state);
    const name = element("span", "name", person.name);
    if (isYou) name.append(element("small", "", ` (${say("you")})`));
    const flowing = person.sees || person.hears || person.speaks || person.shows;
    const words = `${say(`role.${person.role}`)}: ${gets(person)}`;
    row.append(
      element("span", flowing ? "mark flowing" : "mark"),
      name,
      element("span", "presence", words),
    );
    return row;
  }

  cabin({ cabin, reachable, session }) {
    if (!cabin) return null;
    const row = element("li", "crew");
    const live = reachable && session === "live";
    let words = say("crew.away");
    if (live && cabin.muted) words = say("crew.muted");
    else if (live && !cabin.microphone) words = say("crew.nomicrophone");
    else if (live) words = say("crew.heard");
    if (live && !cabin.loudspeaker) words = `${words}, ${say("crew.noloudspeaker")}`;
    row.append(
      element("span", live ? "mark flowing" : "mark"),
      element("span", "name", say("crew")),
      element("span", "presence", words),
    );
    return row;
  }
}

function gets(person) {
  if (!person.admitted) return say("gets.waiting");
  const found = ["sees", "hears", "speaks", "shows"]
    .filter((what) => person[what])
    .map((what) => say(`gets.${what}`));
  if (person.silenced) found.push(say("gets.silenced"));
  if (found.length) return list(found);
  return say(person.state === "present" ? "present" : "away");
}
