/** Brings plotly.js to life when a view first needs it: it is large, and the other views open sooner without it. */

import { h } from "lethe/dom.js";

let loading = null;

/** The library; loaded once. */
export function plotly() {
  loading ??= new Promise((resolve, reject) => {
    // plotly.js leaves its style sheets out where an element says so; they would break the page's security policy.
    document.head.append(h("meta", { id: "plotly.js-style-global", class: "no-inline-styles" }));
    const template = document.getElementById("plotly").content.querySelector("script");
    const script = document.createElement("script");
    if (template.getAttribute("src")) {
      script.src = template.getAttribute("src");
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("plotly.js could not be loaded"));
      document.head.append(script);
    } else {
      script.textContent = template.textContent;
      document.head.append(script);
      resolve(window.Plotly);
    }
  });
  return loading;
}
