// The few things every part of the page does with elements.

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A text that is set only when it changes, so that screen readers speak once.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function name(node, text) {
  if (node.getAttribute("aria-label") === text) return;
  node.setAttribute("aria-label", text);
  node.title = text;
}

// A press by mouse or finger takes no focus with it: the space bar is for talking.
export function press(button, action) {
  button.addEventListener("click", (event) => {
    if (event.detail > 0) button.blur();
    action(event);
  });
}

// Whether keys belong to what has the focus, not to the page.
export function isTyping() {
  const focus = document.activeElement;
  return Boolean(focus?.closest("input, select, textarea, dialog"));
}
