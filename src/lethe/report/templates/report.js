// Unpacks the drawing library that the page carries, then draws every figure; the style sheet colours text and grid, so
// that light, dark and print need nothing here.
const drawn = [];
const fit = () => drawn.forEach((place) => Plotly.Plots.resize(place));

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function draw() {
  const library = document.createElement("script");
  library.textContent = await unpack(document.getElementById("plotly").textContent);
  document.head.append(library);
  for (const source of document.querySelectorAll("script[data-plot]")) {
    const { data, layout } = JSON.parse(source.textContent);
    const place = document.getElementById(source.dataset.plot);
    Plotly.newPlot(place, data, layout, { responsive: true, displayModeBar: false, displaylogo: false });
    drawn.push(place);
  }
}

draw().catch(() => {
  for (const place of document.querySelectorAll(".plot")) {
    place.textContent = `This browser cannot draw. ${place.getAttribute("aria-label")}`;
    place.style.height = "auto";
  }
});
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  fit();
});
window.addEventListener("afterprint", fit);
