(() => {
  "use strict";
  const tokens = JSON.parse(document.getElementById("attention-tokens").textContent);
  const reader = document.getElementById("attention-reader");
  const strips = reader.querySelectorAll(".strip");
  const canvas = reader.querySelector("canvas");
  const words = reader.querySelector(".attention-words");
  const buttons = [...document.querySelectorAll("#attention .head")];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  let head, wanted, weights, across, row;

  /** The weights behind a picture: the squares of its opacities. */
  async function read(button) {
    const picture = new Image();
    const place = button.querySelector("i").style.getPropertyValue("--map");
    await new Promise((done) => {
      picture.onload = done;
      picture.src = place.replace(/^\s*url\(["']?|["']?\)\s*$/g, "");
    });
    const sheet = new OffscreenCanvas(picture.width, picture.height);
    const pen = sheet.getContext("2d");
    pen.drawImage(picture, 0, 0);
    const pixels = pen.getImageData(0, 0, picture.width, picture.height).data;
    return [picture.width, Float32Array.from({ length: pixels.length / 4 }, (_, i) => (pixels[4 * i + 3] / 255) ** 2)];
  }

  /** The strips of tokens: those that look, and, where they are others, those that are looked at. */
  function lay() {
    const { rows, columns } = head.dataset;
    [rows, columns].forEach((side, place) => {
      const strip = strips[place];
      strip.hidden = place === 1 && rows === columns;
      strip.replaceChildren(...tokens[side].map((text, i) => {
        const token = document.createElement("span");
        token.textContent = text;
        if (place === 0) {
          token.tabIndex = 0;
          token.addEventListener("pointerenter", () => look(i));
          token.addEventListener("focus", () => look(i));
        }
        return token;
      }));
    });
  }

  /** Shade what one token looks at, and name the three it looks at most. */
  function look(i) {
    row = i;
    const { rows, columns } = head.dataset;
    const seen = [...weights.slice(i * across, (i + 1) * across)];
    const [asking, asked] = [strips[0], strips[rows === columns ? 0 : 1]];
    [...asking.children].forEach((token, j) => token.classList.toggle("asking", j === i));
    [...asked.children].forEach((token, j) => {
      token.style.setProperty("--share", `${Math.round(100 * Math.sqrt(seen[j]) * 0.75)}%`);
    });
    const most = seen.map((w, j) => [w, j]).sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([w]) => w >= 0.005);
    words.textContent = `“${tokens[rows][i]}” (no. ${i + 1}) looks at ` +
      most.map(([w, j]) => `“${tokens[columns][j]}” (no. ${j + 1}) with ${Math.round(100 * w)} %`).join(", ");
    draw();
  }

  function draw() {
    if (!weights) return; // no picture has been read yet
    const down = weights.length / across;
    const cell = Math.max(1, Math.floor(canvas.clientWidth * devicePixelRatio / Math.max(across, down)));
    canvas.width = cell * across;
    canvas.height = cell * down;
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour("good");
    weights.forEach((w, i) => {
      pen.globalAlpha = Math.sqrt(w);
      pen.fillRect((i % across) * cell, Math.floor(i / across) * cell, cell, cell);
    });
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("third");
    pen.lineWidth = Math.max(1, devicePixelRatio);
    pen.strokeRect(0.5, row * cell + 0.5, canvas.width - 1, cell - 1);
  }

  async function choose(button) {
    wanted = button;
    const found = await read(button);
    if (wanted !== button) return;
    head = button;
    [across, weights] = found;
    for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
    reader.querySelector(".attention-title").textContent = button.getAttribute("aria-label");
    const down = weights.length / across;
    lay();
    look(Math.min(row ?? down - 1, down - 1));
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!weights) return;
    const box = canvas.getBoundingClientRect();
    const down = weights.length / across;
    look(Math.max(0, Math.min(down - 1, Math.floor((event.clientY - box.top) / box.height * down))));
  });
  for (const button of buttons) button.addEventListener("click", () => choose(button));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", draw);
  reader.hidden = false;
  choose(buttons.find((button) => button.dataset.chosen !== undefined) ?? buttons[0]);
})();
