/** The two models that are compared: which they are, and what people call them. */

import { h } from "lethe/dom.js";
import { get, set } from "lethe/state.js";

/** Setting, A and B as the address says, or the first that can be shown. */
export function chosen(overview) {
  const named = overview.settings.find(({ id }) => id === get("setting"));
  const setting = named ?? overview.settings.find(({ id }) => viewable(overview, id).length) ?? overview.settings[0];
  const models = setting ? viewable(overview, setting.id) : [];
  const unlearned = models.filter(({ role }) => role === "unlearned");
  const find = (id) => models.find((model) => model.id === id);
  const a = find(get("a")) ?? unlearned[0] ?? models[0];
  const other = unlearned.find((model) => model !== a && model.method !== a?.method);
  const others = [other, ...unlearned, ...models.filter(({ role }) => role === "gold"), ...models].filter(
    (model) => model && model !== a,
  );
  const b = find(get("b")) ?? others[0] ?? a;
  return { setting, models, a, b };
}

/** The runs of a setting that have a model to show. */
export function viewable(overview, setting) {
  return overview.runs.filter((run) => run.setting === setting && run.viewable);
}

/** What people call a run: with its seed where others of its setting have the same name. */
export function label(run, runs) {
  const alike = runs.filter(({ setting, name }) => setting === run.setting && name === run.name);
  return alike.length > 1 && run.seed !== null ? `${run.name}, seed ${run.seed}` : run.name;
}

/** The bar that says which two models are compared, and changes them. */
export function pairBar(overview) {
  const { setting, models, a, b } = chosen(overview);
  if (!a) return h("p", { class: "quiet" }, "No model here can be shown beside another.");
  const pick = (key, model) =>
    h(
      "label",
      { class: `field pick pick-${key}` },
      h("span", {}, key.toUpperCase()),
      select(
        models.map((run) => [run.id, label(run, models)]),
        model.id,
        `Model ${key.toUpperCase()}`,
        (id) => set({ setting: setting.id, a: a.id, b: b.id, [key]: id }),
      ),
    );
  return h(
    "div",
    { class: "pair", role: "group", "aria-label": "Models compared" },
    overview.settings.length > 1 &&
      h(
        "label",
        { class: "field" },
        h("span", {}, "Setting"),
        select(
          overview.settings.map(({ id, name }) => [id, name]),
          setting.id,
          "Setting",
          (id) => set({ setting: id, a: "", b: "", sel: "", row: "" }),
        ),
      ),
    pick("a", a),
    h(
      "button",
      {
        type: "button",
        "aria-label": "Swap A and B",
        title: "Swap A and B",
        onclick: () => set({ setting: setting.id, a: b.id, b: a.id }),
      },
      "⇄",
    ),
    pick("b", b),
  );
}

function select(options, value, label, onChange) {
  const element = h(
    "select",
    { "aria-label": label, onchange: (event) => onChange(event.target.value) },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  element.value = value;
  return element;
}
