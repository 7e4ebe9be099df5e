/** Second step: where A and B differ, by class, by layer, in the features, and example by example. */

import { classes } from "lethe/classes.js";
import { h } from "lethe/dom.js";
import { embeddingCard } from "lethe/embedding.js";
import { examplesCard } from "lethe/examples.js";
import { glance } from "lethe/glance.js";
import { layers } from "lethe/layers.js";
import { matrix } from "lethe/matrix.js";
import { spread } from "lethe/spread.js";

/** Shows the page; returns how to close it. */
export function open(context, main) {
  const { setting } = context;
  // The embedding tells the table of examples when it knows where examples lie.
  context.changes = new EventTarget();
  const byClass = setting.classes.length ? [classes(context), matrix(context)] : [spread(context)];
  const cards = [
    glance(context),
    ...byClass,
    embeddingCard(context),
    examplesCard(context),
    ...(setting.layers.length ? [layers(context)] : []),
  ];
  main.replaceChildren(
    h("h2", { class: "unseen" }, `Contrast: ${context.pair.map(({ name }) => name).join(" and ")}`),
    h("p", { class: "quiet" }, setting.name, ": ", setting.rule),
    ...cards.map(({ element }) => element),
  );
  cards.forEach(({ redraw }) => redraw());
  return { close: () => cards.forEach(({ close }) => close()) };
}
