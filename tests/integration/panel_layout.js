// What is wrong with the layout of the page as it stands; run by test_panel_screens.
// `target` is the least size in pixels of what can be tapped. Gives sentences, none when all is well.
async (target) => {
  // What follows a picture's size does so when a frame is drawn, not when the page is laid out.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const faults = [];
  const style = (e) => getComputedStyle(e);
  const box = (e) => e.getBoundingClientRect();
  const name = (e) => e.id || `${e.parentElement.id || e.parentElement.className} ${e.className}`;
  const isShown = (e) => e.checkVisibility({ visibilityProperty: true }) && box(e).width > 0;
  const isInside = (e) => {
    const b = box(e);
    const low = b.bottom > innerHeight + 0.5 || b.right > innerWidth + 0.5;
    return b.left >= 0 && b.top >= 0 && !low;
  };

  const page = document.documentElement;
  if (page.scrollWidth > innerWidth || page.scrollHeight > innerHeight) faults.push("page scrolls");

  for (const button of document.querySelectorAll("button")) {
    if (!isShown(button)) continue;
    const b = box(button);
    const top = document.elementFromPoint((b.left + b.right) / 2, (b.top + b.bottom) / 2);
    if (b.width < target - 0.5 || b.height < target - 0.5) {
      faults.push(`${name(button)} is ${b.width}x${b.height}`);
    }
    if (!isInside(button)) faults.push(`${name(button)} is outside`);
    if (!button.contains(top)) faults.push(`${name(button)} is covered by ${top && name(top)}`);
  }

  const parts = [...document.querySelectorAll("#banner, main section, #start")]
    .filter((e) => isShown(e) && e.id !== "notices" && !e.querySelector("#start"));
  for (const [index, one] of parts.entries()) {
    if (!isInside(one)) faults.push(`${name(one)} is outside`);
    for (const other of parts.slice(index + 1)) {
      const [a, b] = [box(one), box(other)];
      const beside = a.left >= b.right - 1 || b.left >= a.right - 1;
      const above = a.top >= b.bottom - 1 || b.top >= a.bottom - 1;
      if (!beside && !above) faults.push(`${name(one)} overlaps ${name(other)}`);
    }
  }

  for (const e of document.querySelectorAll("body *")) {
    if (!isShown(e) || e.closest("svg, video") || e.clientWidth === 0) continue;
    const wide = e.scrollWidth > e.clientWidth + 1 && style(e).overflowX !== "visible";
    const high = e.scrollHeight > e.clientHeight + 1 && style(e).overflowY !== "visible";
    if (wide || high) faults.push(`${name(e)} is cut off: ${e.textContent.trim()}`);
    const parent = e.parentElement;
    const laidOut = style(e).position === "static" && style(e).display !== "contents";
    if (!laidOut || style(parent).display === "contents") continue;
    if (!["P", "SECTION", "BUTTON"].includes(parent.tagName)) continue;
    const [a, b] = [box(e), box(parent)];
    const out = a.right > b.right + 1 || a.bottom > b.bottom + 1 || a.top < b.top - 1;
    if (out) faults.push(`${name(e)} sticks out of ${name(parent)}`);
  }
  return faults;
}
