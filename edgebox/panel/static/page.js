// What the server put into the page: the first state, the words and where the preview is.

const page = JSON.parse(document.getElementById("page").textContent);

export const firstState = page.state;
export const previewBase = page.preview;
export const guestBase = page.guest;
export const version = page.version;

/** The sentence of that name in the page's language. */
export function say(name) {
  return page.strings[name];
}

/** The element with that id. */
export function find(id) {
  return document.getElementById(id);
}

/** Set an element's text, leaving it alone when nothing changes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
