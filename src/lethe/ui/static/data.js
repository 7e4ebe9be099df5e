/** Where the numbers come from: the server of `lethe compare`, or the bundle of a static file; each is asked once. */

const text = document.getElementById("bundle").textContent.trim();
const bundle = text ? JSON.parse(text) : null;
const known = new Map();

/** Whether this is a file that asks no server. */
export const isFile = bundle !== null;

async function ask(path, parameters) {
  const query = new URLSearchParams(parameters);
  const address = `api/${path}${query.size ? `?${query}` : ""}`;
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Error("The server does not answer. Is lethe compare still running?");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `${address}: status ${answer.status}`);
  return body;
}

function once(path, parameters, stored) {
  const key = JSON.stringify([path, parameters]);
  if (!known.has(key)) {
    const answer = bundle ? Promise.resolve(stored()) : ask(path, parameters);
    known.set(key, answer);
    answer.catch(() => known.delete(key));
  }
  return known.get(key);
}

function there(value, what) {
  if (value === undefined) throw new Error(`${what} is not part of this file`);
  return value;
}

/** `Overview`. */
export const overview = () => once("runs", {}, () => bundle.overview);

/** `SettingView`. */
export const settingView = (setting) => once("setting", { setting }, () => there(bundle.settings[setting], setting));

/** `ModelView`. */
export const modelView = (setting, model) =>
  once("model", { setting, model }, () => there(bundle.models[setting]?.[model], model));

/** `Embedding`. */
export const embedding = (setting, model, method) =>
  once("embedding", { setting, model, method }, () =>
    there(bundle.embeddings[setting]?.[model]?.[method], `${method} of ${model}`),
  );

/** The ways to draw features that are there for a model. */
export function embeddingMethods(all, setting, model) {
  return bundle
    ? all.filter(({ method }) => bundle.embeddings[setting]?.[model]?.[method])
    : all.filter((one) => one.available);
}

/** `Example` of each row, as a map. */
export const examples = (setting, rows) => byRow("examples", { setting }, rows, () => bundle.examples[setting] ?? {});

/** `Prediction` of each row, as a map. */
export const predictions = (setting, model, rows) =>
  byRow("predictions", { setting, model }, rows, () => bundle.predictions[setting]?.[model] ?? {});

async function byRow(path, parameters, rows, stored) {
  const { inspectable } = await settingView(parameters.setting);
  const there = inspectable && new Set(inspectable);
  const asked = there ? rows.filter((row) => there.has(row)) : rows;
  if (bundle) return new Map(asked.filter((row) => stored()[row]).map((row) => [row, stored()[row]]));
  if (!asked.length) return new Map();
  const list = await once(path, { ...parameters, rows: asked.join(",") });
  return new Map(list.map((one) => [one.row, one]));
}
