// Draws a score against its threshold.

import { h } from "./dom.js";
import { t } from "./i18n.js";

// scoreBar is a bar from 0 to 1 with the score filled and a mark where thinking begins to pay.
export function scoreBar(score, threshold) {
  const fill = h("span.score-fill");
  fill.style.width = 100 * clamp(score) + "%";
  const mark = h("span.score-mark");
  mark.style.left = 100 * clamp(threshold) + "%";
  const text = t("score.text", { score: score.toFixed(2), threshold: threshold.toFixed(2) });
  return h("span", { class: "score-bar " + (score > threshold ? "over" : ""), role: "img", "aria-label": text, title: text }, fill, mark);
}

function clamp(x) {
  return Math.min(1, Math.max(0, Number.isFinite(x) ? x : 1));
}
