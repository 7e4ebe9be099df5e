/** One example, large: its picture or text, the probabilities that each model gives, or the likelihood of each token. */

import { h, s } from "lethe/dom.js";
import { inspected, thumbnail } from "lethe/example.js";
import { frame, lines } from "lethe/frame.js";
import { short, shown } from "lethe/numbers.js";
import { get } from "lethe/state.js";

const CLASSES = 8;

/** Fills the panel with the row that the address names. */
export async function inspector(context, place, width) {
  const { setting } = context,
    row = get("row") === "" ? null : Number(get("row"));
  const turn = (place.turn = (place.turn ?? 0) + 1);
  if (row === null || !(row in setting.ids)) {
    place.replaceChildren(h("p", { class: "quiet" }, "No example is chosen."));
    return;
  }
  try {
    const { example, predictions } = await inspected(context, row);
    if (turn !== place.turn) return;
    if (!example) {
      place.replaceChildren(
        h("p", { class: "quiet" }, `${setting.ids[row]} is not part of this file; lethe compare shows every example.`),
      );
      return;
    }
    const room = Math.min(560, width > 900 ? width / 2 - 24 : width);
    place.replaceChildren(
      heading(setting, row),
      ...(setting.classes.length
        ? pictured(context, row, example, predictions, room)
        : written(context, row, example, predictions, room)),
    );
  } catch (error) {
    if (turn === place.turn) place.replaceChildren(h("p", { class: "alarm" }, error.message));
  }
}

function heading(setting, row) {
  return h("h3", {}, setting.ids[row], h("span", { class: "badge mute" }, setting.sets[setting.set_of[row]]));
}

function pictured(context, row, example, predictions, width) {
  const { setting, shown: models } = context;
  return [
    h("p", {}, "Label: ", h("strong", {}, setting.classes[setting.labels[row]])),
    example.image
      ? thumbnail(example, 112)
      : example.values.length > 0 &&
        h(
          "p",
          { class: "quiet" },
          `Values: ${example.values.slice(0, 40).map(short).join(", ")}${example.values.length > 40 ? ", …" : ""}`,
        ),
    probabilities(setting, setting.labels[row], models, predictions, width),
  ].filter(Boolean);
}

function probabilities(setting, label, models, predictions, width) {
  const of = (at, k) => predictions[at]?.probabilities[k] ?? 0;
  const likely = setting.classes
    .map((name, k) => ({ name, k, most: Math.max(...models.map((_, at) => of(at, k))) }))
    .sort((one, other) => (other.k === label) - (one.k === label) || other.most - one.most)
    .slice(0, CLASSES)
    .filter(({ most, k }) => most > 0 || k === label);
  const bar = 8,
    step = models.length * bar + 8,
    left = Math.min(120, 34 + 7 * Math.max(...likely.map(({ name }) => name.length)));
  const rows = Math.ceil(models.reduce((sum, { name }) => sum + 36 + 6.6 * name.length, 0) / (width - left - 14));
  const height = 10 + 18 * rows + likely.length * step + 44;
  const made = frame({
    width,
    height,
    left,
    title: "Probability of each class",
    legend: models.map((model) => ({ ...model, shape: "box" })),
    x: { domain: [0, 1], title: "probability (%)", format: (value) => String(Math.round(100 * value)) },
    y: { domain: [likely.length, 0], ticks: [] },
  });
  likely.forEach(({ name, k }, index) => {
    const y = made.y(index) + 4;
    made.plot.append(
      s(
        "text",
        { class: `label ${k === label ? "strong" : ""}`, x: left - 6, y: y + (step - 8) / 2 + 4, "text-anchor": "end" },
        `${name.length > 14 ? `${name.slice(0, 13)}…` : name}${k === label ? " ✓" : ""}`,
      ),
    );
    models.forEach((model, at) =>
      made.plot.append(
        s(
          "rect",
          {
            class: `area ${model.kind}`,
            x: left,
            y: y + at * bar,
            height: bar - 1,
            width: Math.max(1, made.x(of(at, k)) - left),
          },
          s("title", {}, `${model.name}: ${name} ${shown(of(at, k), "%")}`),
        ),
      ),
    );
  });
  return made.drawing;
}

function written({ shown: models, setting }, row, example, predictions, width) {
  return [
    h(
      "dl",
      { class: "texts" },
      h("dt", {}, "Prompt"),
      h("dd", {}, example.prompt),
      h("dt", {}, "True answer"),
      h("dd", {}, example.answer),
      example.wrong.length > 0 && [h("dt", {}, "Wrong answers"), example.wrong.map((text) => h("dd", {}, text))],
    ),
    ...models.map((model, at) =>
      h(
        "section",
        { class: "answer" },
        h("h4", { class: `ink-${model.kind}` }, model.name),
        h(
          "p",
          { class: "quiet small" },
          `Probability ${shown(model.view.columns.probability[row], "%")}, truth ratio ${shown(model.view.columns.truth_ratio?.[row])}, ROUGE ${shown(model.view.columns.rouge?.[row], "%")}`,
        ),
        predictions[at]?.generated !== undefined && h("blockquote", {}, predictions[at].generated || "(nothing)"),
        tokens(predictions[at]?.tokens ?? []),
      ),
    ),
    likelihoods(models, predictions, width),
  ].filter(Boolean);
}

/** The true answer token by token: darker is likelier, the number is ln p. */
function tokens(list) {
  return (
    list.length > 0 &&
    h(
      "div",
      { class: "tokens", role: "list", "aria-label": "Log-likelihood of each token of the true answer" },
      list.map(({ text, log_prob: likelihood, greedy }) =>
        h(
          "span",
          {
            role: "listitem",
            class: `token likely-${likelihood === null ? 0 : Math.max(0, Math.min(5, Math.round(5 * Math.exp(likelihood))))}${greedy ? " greedy" : ""}`,
            title: greedy ? "the model's first choice" : null,
          },
          h("span", {}, text || " "),
          h("span", { class: "nats" }, shown(likelihood)),
        ),
      ),
    )
  );
}

function likelihoods(models, predictions, width) {
  const series = models
    .map(({ name, kind }, at) => ({
      name,
      kind,
      points: (predictions[at]?.tokens ?? []).map((token, index) => [index, token.log_prob]),
    }))
    .filter(({ points }) => points.length);
  if (!series.length) return null;
  const all = predictions.find((one) => one?.tokens.length).tokens,
    low = Math.min(-1, ...series.flatMap(({ points }) => points.map(([, value]) => value ?? 0)));
  const every = Math.ceil(all.length / (width / 44)),
    cut = (text) => (text.trim().length > 6 ? `${text.trim().slice(0, 5)}…` : text.trim());
  return lines({
    width,
    height: 230,
    series,
    title: "Log-likelihood of each token of the true answer",
    x: {
      domain: [-0.3, Math.max(1, all.length - 0.7)],
      title: "token of the true answer",
      ticks: all.map(({ text }, at) => [at, cut(text)]).filter(([at]) => at % every === 0),
    },
    y: { domain: [low * 1.05, 0], title: "ln p" },
  }).drawing;
}
