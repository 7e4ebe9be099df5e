/** The state of the page lives in the address, `#page?key=value`, so that every view has a link that restores it. */

const watchers = new Set();
let current = read();

function read() {
  const [page, query = ""] = location.hash.slice(1).split("?");
  return { page: page || "screen", ...Object.fromEntries(new URLSearchParams(query)) };
}

function write(state) {
  const { page, ...rest } = state;
  const query = new URLSearchParams(
    Object.entries(rest).filter(([, value]) => value !== "" && value !== undefined && value !== null),
  );
  return `#${page}${query.size ? `?${query}` : ""}`;
}

/** The value of a key, or the fallback. */
export function get(key, fallback = "") {
  return current[key] ?? fallback;
}

/** A link to the present state with some changes. */
export function href(changes = {}) {
  return write({ ...current, ...changes });
}

/** Changes the state; `replace` leaves no step in the history, as for what is dragged. */
export function set(changes, { replace = false } = {}) {
  const hash = href(changes);
  if (hash === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  update();
}

/** Calls a function after each change of one of the keys (`*`: of any); returns how to stop that. */
export function watch(keys, action) {
  const watcher = { keys, action };
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function update() {
  const before = current;
  current = read();
  const changed = new Set(
    [...Object.keys(before), ...Object.keys(current)].filter((key) => before[key] !== current[key]),
  );
  if (!changed.size) return;
  for (const { keys, action } of [...watchers])
    if (keys.some((key) => key === "*" || changed.has(key))) action(changed);
}

addEventListener("hashchange", update);
addEventListener("popstate", update);
