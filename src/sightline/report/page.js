(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll("[data-chart]")];
  const drawn = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** Vega-Lite's look (LOOK stands above this script), its names filled in from the page's own colours. */
  function look(part = LOOK) {
    if (Array.isArray(part)) return part.map(look);
    if (part !== null && typeof part === "object") {
      return Object.fromEntries(Object.entries(part).map(([key, entry]) => [key, look(entry)]));
    }
    if (part === "--font") return getComputedStyle(document.body).fontFamily;
    return typeof part === "string" && part.startsWith("--") ? colour(part.slice(2)) : part;
  }

  /** A chart's specification, its theme parameters and (for a square one) its height filled in. */
  function ready(spec, width) {
    const fitted = structuredClone(spec);
    const across = spec.usermeta?.across;
    for (const parameter of fitted.params ?? []) {
      const known = colour(parameter.name);
      if (known) parameter.value = known;
      if (parameter.name === "cell") parameter.value = (width - 70) / across;
    }
    if (fitted.vconcat) {
      for (const panel of fitted.vconcat) panel.width = width - spec.usermeta.beside;
      return fitted;
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
      if (mark.marks) mended(mark);
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

  /** A drawing as a file: the theme's colours, on the page's own ground. */
  async function save(place, kind) {
    const { view } = drawn.get(place);
    const before = view.background();
    await view.background(colour("paper")).runAsync();
    const link = document.createElement("a");
    link.href = await view.toImageURL(kind, kind === "png" ? 2 : 1);
    link.download = `${place.dataset.chart}.${kind}`;
    await view.background(before).runAsync();
    link.click();
  }

  for (const place of places) {
    const tools = document.createElement("p");
    tools.className = "tools";
    for (const kind of ["svg", "png"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind.toUpperCase();
      button.setAttribute("aria-label", `Save this figure as ${kind.toUpperCase()}: ${place.getAttribute("aria-label")}`);
      button.addEventListener("click", () => save(place, kind));
      tools.append(button);
    }
    place.after(tools);
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
