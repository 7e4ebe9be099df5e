/** Starts the comparator: reads what there is, and shows the page that the address names. */

import * as attack from "lethe/attack.js";
import * as contrast from "lethe/contrast.js";
import { modelView, overview, settingView } from "lethe/data.js";
import { announce, h } from "lethe/dom.js";
import { chosen, label, pairBar } from "lethe/pair.js";
import * as screen from "lethe/screen.js";
import { get, href, watch } from "lethe/state.js";

const VERSION = 1;
const PAGES = { screen: ["Screen", screen], contrast: ["Contrast", contrast], attack: ["Attack", attack] };
const main = document.getElementById("main");
let open = null;
let turn = 0;

function header(all) {
  const page = PAGES[get("page")] ? get("page") : "screen";
  document.title = `${PAGES[page][0]} · ${all.title} · lethe comparator`;
  document.getElementById("top").replaceChildren(
    h(
      "div",
      { class: "brand" },
      h("h1", {}, h("span", { class: "quiet" }, "lethe comparator "), all.title),
      h(
        "nav",
        { "aria-label": "Steps" },
        Object.entries(PAGES).map(([key, [title]], at) =>
          h(
            "a",
            { href: href({ page: key, at: "" }), "aria-current": key === page ? "page" : null },
            `${at + 1} ${title}`,
          ),
        ),
      ),
    ),
    pairBar(all),
  );
}

/** What the pages of two models need: the setting, and the views of A, B, gold and the original. */
async function compared(all) {
  const { setting, models, a, b } = chosen(all);
  if (!a) throw new Error("No model here can be shown: the table of the first step says why.");
  const view = await settingView(setting.id);
  const there = (id) => models.some((model) => model.id === id);
  const gold = view.gold && there(view.gold) ? view.gold : null;
  const ids = { a: a.id, b: b.id, gold, original: there("original") ? "original" : null };
  const views = await Promise.all(Object.values(ids).map((id) => id && modelView(setting.id, id)));
  const name = (id) =>
    label(
      models.find((model) => model.id === id),
      models,
    );
  const shown = Object.keys(ids)
    .map((kind, at) => ({ kind, view: views[at], id: ids[kind] }))
    .filter(({ view: one }) => one)
    .map((one) => ({
      ...one,
      name: one.kind === "a" || one.kind === "b" ? `${one.kind.toUpperCase()} ${name(one.id)}` : name(one.id),
    }));
  return {
    overview: all,
    setting: view,
    shown,
    pair: shown.slice(0, 2),
    gold: shown.find(({ kind }) => kind === "gold"),
  };
}

async function show(all) {
  const mine = ++turn;
  header(all);
  const page = PAGES[get("page")]?.[1] ?? screen;
  main.setAttribute("aria-busy", "true");
  try {
    const context = page === screen ? { overview: all } : await compared(all);
    if (mine !== turn) return;
    open?.close();
    open = page.open(context, main);
    landed();
  } catch (error) {
    if (mine === turn) failed(error);
  } finally {
    if (mine === turn) main.removeAttribute("aria-busy");
  }
}

/** Goes to the view that the address names. */
function landed() {
  const view = get("at") && document.getElementById(`view-${get("at")}`);
  if (!view) return;
  view.scrollIntoView({ block: "start" });
  view.focus({ preventScroll: true });
}

function failed(error) {
  open?.close();
  open = null;
  main.replaceChildren(h("p", { class: "alarm", role: "alert" }, error.message));
}

async function start() {
  try {
    const all = await overview();
    if (all.version !== VERSION)
      throw new Error(
        `These data are of version ${all.version}, and this page reads ${VERSION}: make them again with the same lethe.`,
      );
    watch(["page", "setting", "a", "b"], (changed) => {
      if (get("page") === "screen" && !changed.has("page")) header(all);
      else show(all);
      if (changed.has("page")) announce(document.title);
    });
    watch(["at"], landed);
    await show(all);
  } catch (error) {
    failed(error);
  }
  document.documentElement.dataset.ready = "";
}

start();
