/** One example in few words: its picture, what models say of it, and what is asked of the server to inspect it. */

import { examples, predictions } from "lethe/data.js";
import { h } from "lethe/dom.js";
import { shown } from "lethe/numbers.js";

/** The column by which examples are ordered and shown: how likely the truth is to a model. */
export const measure = (setting) => (setting.classes.length ? "truth" : "probability");

/** What a model predicts of a row, in a few words. */
export function said({ setting }, { view }, row) {
  const likely = shown(view.columns[measure(setting)][row], "%");
  return setting.classes.length
    ? `${setting.classes[view.columns.prediction[row]]}, label ${likely}`
    : `${likely}, truth ratio ${shown(view.columns.truth_ratio?.[row])}`;
}

/** The picture of an example, small; nothing where it has none. */
export function thumbnail(example, size = 28) {
  // Only pictures that are part of the answer: an address of another host would tell it who looks at what.
  return example?.image.startsWith("data:image/png;")
    ? h("img", { src: example.image, alt: "", width: size, height: size, class: "pixels" })
    : null;
}

/** The beginning of a prompt. */
export function excerpt(example) {
  return example?.prompt ? (example.prompt.length > 90 ? `${example.prompt.slice(0, 89)}…` : example.prompt) : "";
}

/** Tells what stands under the pointer. */
export async function hoverText(context, row, place) {
  const { setting, pair } = context;
  const turn = (place.turn = (place.turn ?? 0) + 1);
  const words = [
    `${setting.ids[row]} (${setting.sets[setting.set_of[row]]}${setting.classes.length ? `, label ${setting.classes[setting.labels[row]]}` : ""})`,
    ...pair.map((model) => `${model.kind.toUpperCase()}: ${said(context, model, row)}`),
  ].join(" · ");
  place.replaceChildren(words);
  await new Promise((resolve) => setTimeout(resolve, 120));
  if (turn !== place.turn) return;
  const found = (await examples(setting.id, [row]).catch(() => new Map())).get(row);
  if (turn === place.turn && found)
    place.replaceChildren(
      ...[thumbnail(found, 40), h("span", {}, words, found.prompt ? ` · ${excerpt(found)}` : "")].filter(Boolean),
    );
}

/** Examples and predictions of one row, for the inspector. */
export async function inspected({ setting, shown: models }, row) {
  const [example, ...made] = await Promise.all([
    examples(setting.id, [row]),
    ...models.map(({ id }) => predictions(setting.id, id, [row])),
  ]);
  return { example: example.get(row), predictions: made.map((one) => one.get(row)) };
}
