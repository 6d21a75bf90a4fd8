// UCUM units as people write them.

export const unitText = (unit) =>
  unit === "1" ? "" : unit.replace("Cel", "°C").replace("[degF]", "°F").replace(/[[\]{}]/g, "");
