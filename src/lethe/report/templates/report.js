// Draws every figure of the page; the style sheet colours text and grid, so that light, dark and print need nothing here.
const drawn = [];
for (const source of document.querySelectorAll("script[data-plot]")) {
  const { data, layout } = JSON.parse(source.textContent);
  const place = document.getElementById(source.dataset.plot);
  Plotly.newPlot(place, data, layout, { responsive: true, displayModeBar: false, displaylogo: false });
  drawn.push(place);
}
const fit = () => drawn.forEach((place) => Plotly.Plots.resize(place));
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  fit();
});
window.addEventListener("afterprint", fit);
