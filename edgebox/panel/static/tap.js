// Taps for gloved hands in a moving vehicle: a finger may slide a little, a second finger or a palm
// on the glass does not matter, and the button shows at once that it was felt.

const SLACK_PX = 20;

/** Call `act(event)` when a finger, mouse or key presses and releases `element`. */
export function onTap(element, act) {
  const fingers = new Set();
  const felt = () => element.classList.toggle("pressed", fingers.size > 0);
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    fingers.add(event.pointerId);
    felt();
  });
  element.addEventListener("pointerup", (event) => {
    if (!fingers.delete(event.pointerId)) return;
    felt();
    if (isNear(element, event)) act(event);
  });
  element.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    felt();
  });
  element.addEventListener("keydown", (event) => {
    if (isPressKey(event) && !event.repeat) act(event);
  });
}

/** Call `act` when `element` was held for `holdMs`; `early` when it was let go before. */
export function onHold(element, holdMs, act, early) {
  let timer = 0;
  const begin = () => {
    if (timer) return;
    element.classList.add("held");
    timer = setTimeout(() => {
      end();
      act();
    }, holdMs);
  };
  const end = () => {
    clearTimeout(timer);
    timer = 0;
    element.classList.remove("held");
  };
  const release = () => {
    if (!timer) return;
    end();
    early();
  };
  element.style.setProperty("--hold", `${holdMs}ms`);
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    begin();
  });
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("keydown", (event) => {
    if (isPressKey(event) && !event.repeat) begin();
  });
  element.addEventListener("keyup", release);
  element.addEventListener("blur", release);
}

/** The page is a screen, not a document: nothing to select, drag, zoom or open a menu on. */
export function lockGestures() {
  const unwanted = ["contextmenu", "dragstart", "dragover", "drop", "selectstart", "gesturestart"];
  for (const kind of unwanted) {
    document.addEventListener(kind, (event) => event.preventDefault());
  }
  document.addEventListener("touchmove", (event) => event.preventDefault(), { passive: false });
  document.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey) event.preventDefault();
    },
    { passive: false },
  );
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && ["+", "-", "=", "0"].includes(event.key)) event.preventDefault();
  });
}

function isPressKey(event) {
  return event.key === "Enter" || event.key === " ";
}

function isNear(element, event) {
  const box = element.getBoundingClientRect();
  return (
    event.clientX >= box.left - SLACK_PX &&
    event.clientX <= box.right + SLACK_PX &&
    event.clientY >= box.top - SLACK_PX &&
    event.clientY <= box.bottom + SLACK_PX
  );
}
