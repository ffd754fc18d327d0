// Texts of a page whose contrast with what is behind them is too small; SMALL and LARGE are put in by the test.
(() => {
  const numbers = (text) => {
    const found = text.match(/-?[\d.]+(e-?\d+)?/g).map(Number);
    const unit = text.startsWith("color(") ? 255 : 1;
    return [...found.slice(0, 3).map((n) => n * unit), found[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
  const linear = (n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const drawn = style.backgroundImage.match(/(rgba?|color)\([^)]*\)/);
      if (drawn) layers.push(numbers(drawn[0]));
      layers.push(numbers(style.backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!words || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName) || !element.checkVisibility()) continue;
    const drawing = element.closest("svg");
    if (drawing && !element.closest(".role-axis, .role-legend, .role-title")) continue;  // words on coloured cells
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const colour = numbers(drawing ? style.fill : style.color);
    const below = ground(drawing ? drawing.closest(".chart") : element);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 600);
    const value = ratio(over(colour, below), below);
    const name = element.className.baseVal ?? element.className;
    if (value < (large ? LARGE : SMALL)) found.push([words.slice(0, 40), name, value]);
  }
  return found.slice(0, 12);
})()
