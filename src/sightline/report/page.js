"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll("[data-chart]")];
  const drawn = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** Vega-Lite's look, from the page's own colours. */
  function look() {
    const axis = {
      labelColor: colour("soft"), titleColor: colour("soft"), gridColor: colour("line"), domainColor: colour("line"),
      tickColor: colour("line"), titleFontWeight: 400, labelFontSize: 11, titleFontSize: 11, titlePadding: 8,
      labelPadding: 6, ticks: false, domain: false, tickCount: 5,
    };
    return {
      background: "transparent",
      font: getComputedStyle(document.body).fontFamily,
      padding: { left: 0, right: 8, top: 4, bottom: 4 },
      view: { stroke: null },
      axis,
      axisX: { grid: false, domain: true },
      line: { strokeWidth: 1.75 },
      legend: { orient: "top", labelColor: colour("ink"), labelFontSize: 12, symbolType: "circle", padding: 0, offset: 10 },
      range: { category: ["train", "good", "third", "fourth", "bad"].map(colour) },
    };
  }

  /** A chart's specification, its theme parameters and (for a square one) its height filled in. */
  function ready(spec, width) {
    const fitted = structuredClone(spec);
    const across = spec.usermeta?.across;
    for (const parameter of fitted.params ?? []) {
      if (["good", "bad", "ink", "paper"].includes(parameter.name)) parameter.value = colour(parameter.name);
      if (parameter.name === "cell") parameter.value = (width - 70) / across;
    }
    fitted.autosize = { type: spec.usermeta?.square ? "fit" : "fit-x", contains: "padding" };
    if (spec.usermeta?.square) {
      fitted.height = width;
      fitted.view = { fill: colour("wash") };
    }
    return fitted;
  }

  /** Vega-Lite looks for text one level too high in the tooltip of the nearest point. */
  function mended(vega) {
    for (const mark of vega.marks) {
      const tooltip = mark.name?.endsWith("_voronoi") && mark.encode.update.tooltip;
      if (tooltip) tooltip.signal = tooltip.signal.replaceAll(/(?<!datum\.)datum\["series"\]/g, 'datum.datum["series"]');
    }
    return vega;
  }

  async function draw(place) {
    const spec = specs[place.dataset.chart];
    const marks = Math.max(...Object.values(spec.datasets).map((rows) => rows.length));
    const renderer = marks > 1200 ? "canvas" : "svg";
    drawn.get(place)?.finalize();
    drawn.set(place, await vegaEmbed(place, ready(spec, place.clientWidth), {
      mode: "vega-lite", actions: false, config: look(), patch: mended, renderer, tooltip: { theme: "custom" },
    }));
  }

  const drawAll = async () => { for (const place of places) await draw(place); };
  let width = innerWidth, waiting;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
