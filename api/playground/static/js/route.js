// Shows who would answer what stands in the composer, and where a different quality would change that, before anything
// is generated; and why an answer came from whom it came.

import { postJSON } from "./api.js";
import { scoreBar } from "./bars.js";
import { h, icon } from "./dom.js";
import { number, seconds, t } from "./i18n.js";
import { body } from "./request.js";
import { onChange, settings } from "./settings.js";

const patience = 250; // ms without typing before the server is asked

// reasonText is a reason in the person's language where it names what decided, else as the router says it.
export function reasonText(reason) {
  const known = t("source." + reason);
  return known.startsWith("source.") ? reason : known;
}

// Live is the strip above the composer.
export class Live {
  // turns gives the conversation with what is being written as its last turn, null where there is nothing yet.
  constructor({ model, turns }) {
    this.model = model;
    this.turns = turns;
    this.timer = 0;
    this.abort = null;
    this.verdict = h("span.verdict", { role: "status" });
    this.bar = h("span.live-bar");
    this.cost = h("span.live-cost");
    this.quality = h("input", {
      type: "range", min: 0, max: 10, step: 1, id: "quality", value: settings.quality, "aria-describedby": "flip",
      oninput: () => {
        settings.quality = Number(this.quality.value);
        this.showForecast();
      },
    });
    this.value = h("output", { htmlFor: "quality" }, String(settings.quality));
    this.flip = h("span.flip", { id: "flip" });
    this.ticks = h("span.ticks", { "aria-hidden": "true" });
    this.node = h(
      "div.live", h("div.live-row", this.verdict, this.bar, this.cost),
      h("div.live-row", h("label", { htmlFor: "quality" }, t("quality")), h("span.slider", this.quality, this.ticks), this.value, this.flip),
    );
    this.answer = null;
    onChange((name) => {
      if (["quality", "effort", "mode", "tools", "schema", "max_tokens", "system", "grounding"].includes(name)) this.ask();
    });
    this.show(null);
  }

  // ask asks the server soon, unless it is asked again before.
  ask() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.query(), patience);
  }

  async query() {
    this.abort?.abort();
    const turns = this.turns();
    if (!turns) {
      this.show(null);
      return;
    }
    this.abort = new AbortController();
    try {
      const variant = settings.mode === "auto" || settings.mode === "both" ? "" : settings.mode;
      this.show(await postJSON("/v1/route", body(turns, { model: this.model(), variant, blank: true }), this.abort.signal));
    } catch (e) {
      if (e.name !== "AbortError") this.show(null, e.message);
    }
  }

  show(answer, problem = "") {
    this.answer = answer;
    this.node.classList.toggle("idle", !answer);
    if (!answer) {
      this.verdict.className = "verdict";
      this.verdict.replaceChildren(problem || t("live.idle"));
      this.bar.replaceChildren();
      this.cost.replaceChildren();
      this.flip.textContent = "";
      this.ticks.replaceChildren();
      return;
    }
    const r = answer.routing;
    this.verdict.className = "verdict " + r.variant;
    this.verdict.replaceChildren(icon(r.variant === "thinking" ? "brain" : "bolt"), t("live." + r.variant), h("span.quiet", (r.source === "router" ? r.reasons : [t("source." + r.source)]).slice(0, 2).map(reasonText).join(", ")));
    this.bar.replaceChildren(scoreBar(r.score, r.threshold));
    this.cost.replaceChildren(...costs(answer.forecast));
    this.showForecast();
  }

  // showForecast marks the qualities at which thinking would answer.
  showForecast() {
    this.value.textContent = String(settings.quality);
    const list = this.answer?.forecast?.qualities;
    if (!list) return;
    this.ticks.replaceChildren(...list.map((q) => h("i", { class: q.variant })));
    const flip = list.find((q) => q.variant === "thinking");
    const decided = this.answer.routing.source !== "router";
    if (decided) this.flip.textContent = t("flip.decided", { source: t("source." + this.answer.routing.source) });
    else if (!flip) this.flip.textContent = t("flip.never");
    else if (flip.quality === 0) this.flip.textContent = t("flip.always");
    else this.flip.textContent = t("flip.at", { quality: flip.quality });
  }
}

// costs are what each variant is expected to take.
export function costs(forecast) {
  if (!forecast) return [];
  return ["instruct", "thinking"].filter((v) => forecast[v]).map((v) => {
    const f = forecast[v];
    const parts = [];
    if (f.tokens) parts.push(t("forecast.tokens", { n: number(f.tokens) }));
    if (f.seconds) parts.push("≈ " + seconds(f.seconds));
    return h("span", { class: "cost " + v, title: t("forecast." + v) }, icon(v === "thinking" ? "brain" : "bolt"), parts.join(" · ") || t("forecast.unknown"));
  });
}

// explain is the panel that says why an answer came from whom it came.
export function explain(answer) {
  const r = answer?.routing;
  if (!r) return h("p.empty", t("why.none"));
  const rows = [
    [t("why.variant"), t("variant." + r.variant)],
    [t("why.source"), t("source." + r.source)],
    [t("why.kind"), r.kind || "—"],
    [t("why.budget"), r.thinking_budget ? t("tokens", { n: number(r.thinking_budget) }) : "—"],
    [t("why.closed"), r.closed_by ? t("closed." + r.closed_by) : "—"],
    [t("why.version"), r.version],
  ];
  const reasons = r.reasons?.length ? h("ul.reasons", r.reasons.map((x) => h("li", reasonText(x)))) : h("p.quiet", t("why.noreasons"));
  return h(
    "div.explain",
    h("p.explain-line", t(r.score > r.threshold ? "why.over" : "why.under", { score: r.score.toFixed(3), threshold: r.threshold.toFixed(3) }), r.uncertain ? " " + t("why.uncertain") : ""),
    scoreBar(r.score, r.threshold),
    h("div.scale", h("span", t("score.direct")), h("span", t("score.think"))),
    h("h3", t("why.reasons")), reasons,
    h("dl.rows", rows.map(([name, value]) => [h("dt", name), h("dd", value)])),
  );
}
