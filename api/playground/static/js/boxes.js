// Finds boxes and points in an answer, also in one that is still being written, and draws them over its picture.

import { copy, h, svg } from "./dom.js";
import { number, t } from "./i18n.js";

const NUMBER = "\\s*(-?\\d+(?:\\.\\d+)?)\\s*";
const PLACE = new RegExp(`"(?:bbox_2d"\\s*:\\s*\\[${[NUMBER, NUMBER, NUMBER, NUMBER].join(",")}\\]|point_2d"\\s*:\\s*\\[${NUMBER},${NUMBER}\\])`, "g");
const LABEL = /"label"\s*:\s*"((?:[^"\\]|\\.)*)/;

// parse gives what an answer points at so far, in thousandths of the picture's sides.
export function parse(text) {
  const out = [];
  for (const m of text.matchAll(PLACE)) {
    const begin = text.lastIndexOf("{", m.index);
    let end = text.indexOf("}", m.index);
    if (end < 0) end = text.length;
    const label = LABEL.exec(text.slice(Math.max(begin, 0), end));
    const at = (m[1] !== undefined ? m.slice(1, 5) : m.slice(5, 7)).map((n) => Math.min(1000, Math.max(0, Number(n))));
    if (at.length === 4) {
      out.push({ kind: "box", box: [Math.min(at[0], at[2]), Math.min(at[1], at[3]), Math.max(at[0], at[2]), Math.max(at[1], at[3])], label: text8(label) });
    } else out.push({ kind: "point", point: at, label: text8(label) });
  }
  return out;
}

function text8(label) {
  if (!label) return "";
  try {
    return JSON.parse(`"${label[1]}"`);
  } catch {
    return label[1];
  }
}

// pixels are a place's coordinates in the picture as it was sent.
export function pixels(place, width, height) {
  const at = place.box || place.point;
  return at.map((n, i) => Math.round((n * (i % 2 ? height : width)) / 1000));
}

// formats write places down for other programs.
const formats = {
  pixels: (places, m) => JSON.stringify(places.map((p) => ({ label: p.label, [p.box ? "box" : "point"]: pixels(p, m.width, m.height) })), null, 1),
  coco: (places, m) => {
    const names = [...new Set(places.map((p) => p.label || "object"))];
    return JSON.stringify({
      images: [{ id: 1, file_name: m.name, width: m.width, height: m.height }],
      categories: names.map((name, i) => ({ id: i + 1, name })),
      annotations: places.filter((p) => p.box).map((p, i) => {
        const [x1, y1, x2, y2] = pixels(p, m.width, m.height);
        return { id: i + 1, image_id: 1, category_id: names.indexOf(p.label || "object") + 1, bbox: [x1, y1, x2 - x1, y2 - y1], area: (x2 - x1) * (y2 - y1), iscrowd: 0 };
      }),
    }, null, 1);
  },
  csv: (places, m) =>
    ["label,x1,y1,x2,y2", ...places.map((p) => [csvText(p.label), ...pixels(p, m.width, m.height)].join(","))].join("\n"),
};

function csvText(text) {
  // A spreadsheet would take a text that begins like a formula for one.
  const safe = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// Overlay is a picture with what an answer points at.
export class Overlay {
  constructor(medium) {
    this.medium = medium;
    this.shown = "";
    this.drawing = svg("svg", { viewBox: "0 0 1000 1000", preserveAspectRatio: "none", class: "boxes", "aria-hidden": "true" });
    this.labels = h("div.box-labels", { "aria-hidden": "true" });
    this.list = h("ol.box-list");
    const button = (name) => h("button.text-button", { type: "button", onclick: () => copy(formats[name](this.places, medium), t("copied")) }, t("boxes." + name));
    this.node = h(
      "figure.grounding",
      h("div.grounding-picture", h("img", { src: medium.url, alt: t("boxes.alt") }), this.drawing, this.labels),
      h("figcaption", this.list, h("div.grounding-copy", h("span", t("boxes.copy")), button("pixels"), button("coco"), button("csv"))),
    );
    this.places = [];
  }

  set(places) {
    const key = JSON.stringify(places);
    if (key === this.shown) return;
    this.shown = key;
    this.places = places;
    const draw = places.map((p, i) => this.shape(p, i));
    this.drawing.replaceChildren(...draw.map((d) => d.shape));
    this.labels.replaceChildren(...draw.map((d) => d.label));
    this.list.replaceChildren(...draw.map((d) => d.item));
  }

  shape(p, i) {
    const colour = `box-${i % 6}`;
    const point = p.kind === "point";
    const [x, y] = p.box || p.point;
    const shape = point
      ? svg("g", { class: `box ${colour}` },
        svg("line", { x1: x - 14, x2: x + 14, y1: y, y2: y, "vector-effect": "non-scaling-stroke" }),
        svg("line", { x1: x, x2: x, y1: y - 14, y2: y + 14, "vector-effect": "non-scaling-stroke" }))
      : svg("rect", { class: `box ${colour}`, x, y, width: p.box[2] - x, height: p.box[3] - y, "vector-effect": "non-scaling-stroke" });
    const label = h("span.box-label", { class: point ? colour + " of-point" : colour }, p.label || String(i + 1));
    // Towards the right side a label ends where the place does, towards the bottom it stands above: it never leaves the picture.
    const right = p.box ? p.box[2] : x;
    if (right > 600) label.style.right = (1000 - right) / 10 + "%";
    else label.style.left = x / 10 + "%";
    if (y > 930) label.style.bottom = (1000 - y) / 10 + "%";
    else label.style.top = y / 10 + "%";
    label.classList.toggle("to-left", right > 600);
    label.classList.toggle("above", y > 930);
    const at = pixels(p, this.medium.width, this.medium.height).map((n) => number(n)).join(", ");
    const item = h("li", { tabIndex: 0 }, h("span.box-key", { class: colour }), h("span", p.label || String(i + 1)), h("code", at));
    const light = (on) => [shape, label, item].forEach((e) => e.classList.toggle("lit", on));
    for (const e of [shape, label, item]) {
      e.addEventListener("pointerenter", () => light(true));
      e.addEventListener("pointerleave", () => light(false));
    }
    item.addEventListener("focus", () => light(true));
    item.addEventListener("blur", () => light(false));
    return { shape, label, item };
  }
}
