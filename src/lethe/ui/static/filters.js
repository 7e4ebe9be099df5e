/** Which runs of the table are shown, in what order: everything is in the address. */

import { get } from "lethe/state.js";

/** Ranges that are asked of axes: key to `[low, high]`. */
export function ranges() {
  return Object.fromEntries(
    get("in")
      .split(";")
      .filter(Boolean)
      .map((part) => {
        const [key, low, high] = part.split("~");
        return [key, [Number(low), Number(high)]];
      }),
  );
}

/** Ranges as the address holds them. */
export function written(all) {
  return Object.entries(all)
    .map(([key, [low, high]]) => `${key}~${Number(low.toPrecision(6))}~${Number(high.toPrecision(6))}`)
    .join(";");
}

/** The axes that are shown, of those that some run has a value of. */
export function shownAxes({ axes, runs }) {
  const asked = get("columns");
  const there = axes.filter(({ key }) => runs.some(({ values }) => values[key] !== null && values[key] !== undefined));
  return asked ? there.filter(({ key }) => asked.split(",").includes(key)) : there.filter(({ shown }) => shown);
}

/** The runs that pass every filter, sorted; those without the value come last. */
export function passing({ runs }) {
  const words = get("find").toLowerCase().split(/\s+/).filter(Boolean);
  const asked = Object.entries(ranges());
  const kept = runs.filter(
    (run) =>
      (!get("of") || run.setting === get("of")) &&
      (!get("method") || run.method === get("method")) &&
      (!get("status") || run.status === get("status")) &&
      words.every((word) => haystack(run).includes(word)) &&
      asked.every(([key, [low, high]]) => {
        const value = run.values[key];
        return value !== null && value !== undefined && value >= low && value <= high;
      }),
  );
  return sorted(kept);
}

function haystack(run) {
  const options = Object.entries(run.options)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  return [
    run.name,
    run.method,
    run.slug,
    run.role,
    run.setting,
    run.status,
    run.verdict?.outcome,
    `seed ${run.seed}`,
    options,
  ]
    .join(" ")
    .toLowerCase();
}

function sorted(runs) {
  const order = get("sort");
  if (!order) return runs;
  const down = order.startsWith("-"),
    key = order.replace("-", "");
  const of = (run) => (key === "name" ? run.name : key === "seed" ? run.seed : run.values[key]);
  const missing = (value) => value === null || value === undefined;
  return [...runs].sort((one, other) => {
    const [left, right] = [of(one), of(other)];
    if (missing(left) || missing(right)) return missing(left) - missing(right);
    const order = typeof left === "string" ? left.localeCompare(right) : left - right;
    return down ? -order : order;
  });
}
