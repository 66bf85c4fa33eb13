// Is a small canvas to draw shapes and digits on, as the demo pair knows them. Shapes can be placed by the keyboard too.

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

const SIZE = 224;
// Colours and shapes are those of the scenes that the demo pair was trained on.
const COLOURS = {
  red: "#d62828", orange: "#f58214", yellow: "#f5d228", green: "#28a03c", blue: "#2850dc", purple: "#8c32b4", pink: "#fa8cbe", brown: "#78481e", black: "#141414", white: "#fafafa",
};
const SHAPES = ["circle", "square", "triangle", "star", "cross", "diamond"];

function path(shape, c, x, y, r) {
  c.beginPath();
  const polygon = (points) => points.forEach(([dx, dy], i) => (i ? c.lineTo(x + dx * r, y + dy * r) : c.moveTo(x + dx * r, y + dy * r)));
  const ring = (n, radius, turn) => Array.from({ length: n }, (_, i) => {
    const a = turn + (2 * Math.PI * i) / n;
    return [Math.sin(a) * radius(i), -Math.cos(a) * radius(i)];
  });
  switch (shape) {
    case "circle": c.arc(x, y, r, 0, 2 * Math.PI); break;
    case "square": polygon([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]); break;
    case "triangle": polygon([[0, -1], [1, 0.9], [-1, 0.9]]); break;
    case "diamond": polygon([[0, -1], [0.8, 0], [0, 1], [-0.8, 0]]); break;
    case "star": polygon(ring(10, (i) => (i % 2 ? 0.45 : 1), 0)); break;
    case "cross": {
      const w = 0.34;
      polygon([[-w, -1], [w, -1], [w, -w], [1, -w], [1, w], [w, w], [w, 1], [-w, 1], [-w, w], [-1, w], [-1, -w], [-w, -w]]);
      break;
    }
  }
  c.closePath();
  c.fill();
}

// openDrawing opens the canvas; done gets the picture.
export function openDrawing(done) {
  const canvas = h("canvas", { width: SIZE, height: SIZE, tabIndex: 0, "aria-label": t("draw.canvas") });
  const c = canvas.getContext("2d", { willReadFrequently: true });
  let tool = "circle", colour = "red", steps = [], at = { x: SIZE / 2, y: SIZE / 2 }, last = null;

  const keep = () => steps.push(c.getImageData(0, 0, SIZE, SIZE));
  const blank = () => {
    c.fillStyle = "#f5f5f5";
    c.fillRect(0, 0, SIZE, SIZE);
  };
  const place = (x, y) => {
    keep();
    c.fillStyle = COLOURS[colour];
    if (tool === "text") {
      c.font = "bold 56px sans-serif";
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.fillText(digits.value.slice(0, 6), x, y);
    } else path(tool, c, x, y, Number(size.value));
  };
  const where = (e) => {
    const r = canvas.getBoundingClientRect();
    return { x: ((e.clientX - r.left) * SIZE) / r.width, y: ((e.clientY - r.top) * SIZE) / r.height };
  };
  canvas.addEventListener("pointerdown", (e) => {
    at = where(e);
    if (tool !== "pen") return place(at.x, at.y);
    keep();
    last = at;
    canvas.setPointerCapture(e.pointerId);
    return undefined;
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!last) return;
    const to = where(e);
    c.strokeStyle = COLOURS[colour];
    c.lineWidth = 9;
    c.lineCap = "round";
    c.beginPath();
    c.moveTo(last.x, last.y);
    c.lineTo(to.x, to.y);
    c.stroke();
    last = to;
  });
  canvas.addEventListener("pointerup", () => (last = null));
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [-14, 0], ArrowRight: [14, 0], ArrowUp: [0, -14], ArrowDown: [0, 14] }[e.key];
    if (step) at = { x: Math.min(SIZE - 20, Math.max(20, at.x + step[0])), y: Math.min(SIZE - 20, Math.max(20, at.y + step[1])) };
    else if (e.key === "Enter" || e.key === " ") place(at.x, at.y);
    else return;
    e.preventDefault();
    cursor.style.left = (100 * at.x) / SIZE + "%";
    cursor.style.top = (100 * at.y) / SIZE + "%";
  });

  const radios = (name, values, show, pick) => h("fieldset.swatches", h("legend", t("draw." + name)), values.map((v, i) => h("label", { title: t(`draw.${v}`) },
    h("input", { type: "radio", name, value: v, checked: i === 0, "aria-label": t(`draw.${v}`), onchange: () => pick(v) }), show(v))));
  const shapeIcon = (shape) => {
    if (shape === "pen") return h("span.swatch", icon("pen"));
    if (shape === "text") return h("span.swatch", "12");
    const tile = h("canvas.swatch", { width: 28, height: 28 });
    const d = tile.getContext("2d");
    d.fillStyle = getComputedStyle(document.body).color;
    path(shape, d, 14, 14, 10);
    return tile;
  };
  const dot = (name) => {
    const s = h("span.swatch");
    s.style.background = COLOURS[name];
    return s;
  };
  const size = h("input", { type: "range", min: 14, max: 60, value: 30, id: "draw-size" });
  const digits = h("input.digits", { type: "text", maxLength: 6, value: "42", "aria-label": t("draw.digits") });
  const cursor = h("span.draw-cursor", { "aria-hidden": "true" });
  const dialog = h(
    "dialog.drawing", { "aria-label": t("draw"), onclose: () => dialog.remove() },
    h("h2", t("draw")), h("p.quiet", t("draw.hint")),
    h("div.draw-area", h("div.draw-canvas", canvas, cursor),
      h("div.draw-tools",
        radios("shape", [...SHAPES, "text", "pen"], shapeIcon, (v) => (tool = v)),
        radios("colour", Object.keys(COLOURS), dot, (v) => (colour = v)),
        h("label.draw-size", { htmlFor: "draw-size" }, t("draw.size"), size), h("label", t("draw.digits"), digits))),
    h("div.dialog-actions",
      h("button.text-button", { type: "button", onclick: () => steps.length && c.putImageData(steps.pop(), 0, 0) }, t("draw.undo")),
      h("button.text-button", { type: "button", onclick: () => (keep(), blank()) }, t("draw.clear")),
      h("span.spacer"),
      h("button.text-button", { type: "button", onclick: () => dialog.close() }, t("cancel")),
      h("button.primary", {
        type: "button",
        onclick: () => {
          dialog.close();
          done({ kind: "image", url: canvas.toDataURL("image/png"), name: t("draw.name"), width: SIZE, height: SIZE });
        },
      }, t("draw.use"))),
  );
  document.body.append(dialog);
  blank();
  dialog.showModal();
  canvas.focus();
}
