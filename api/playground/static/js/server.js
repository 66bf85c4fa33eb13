// Shows how the server is doing, from its metrics, and what happens when several ask at once.

import { get, postJSON } from "./api.js";
import { h, svg } from "./dom.js";
import { number, seconds, t } from "./i18n.js";

const every = 2000; // ms between two looks

// read makes a map of the samples of Prometheus' text form: name to a list of [labels, value].
export function read(text) {
  const out = new Map();
  for (const line of text.split("\n")) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = Object.fromEntries([...(m[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((l) => [l[1], l[2]]));
    if (!out.has(m[1])) out.set(m[1], []);
    out.get(m[1]).push([labels, Number(m[3])]);
  }
  return out;
}

const sum = (samples, name, where = {}) =>
  (samples.get(name) ?? []).filter(([l]) => Object.entries(where).every(([k, v]) => l[k] === v)).reduce((n, [, v]) => n + v, 0);

// Sparkline draws the last values of a number.
class Sparkline {
  constructor(label) {
    this.values = [];
    this.line = svg("polyline", { class: "spark-line" });
    this.value = h("span.spark-value", "–");
    this.node = h("div.spark", h("span.spark-label", label), this.value,
      svg("svg", { viewBox: "0 0 100 24", preserveAspectRatio: "none", class: "spark-drawing", "aria-hidden": "true" }, this.line));
  }

  add(value, text) {
    this.values = [...this.values, value].slice(-60);
    const top = Math.max(...this.values, 1e-9);
    this.line.setAttribute("points", this.values.map((v, i) => `${(100 * i) / Math.max(1, this.values.length - 1)},${23 - (22 * v) / top}`).join(" "));
    this.value.textContent = text;
  }
}

// Server is the panel.
export class Server {
  constructor({ model }) {
    this.model = model;
    this.sparks = {};
    for (const name of ["running", "waiting", "speed", "cached"]) this.sparks[name] = new Sparkline(t("server." + name));
    this.cells = h("div.cells");
    this.problem = h("p.error", { role: "alert", hidden: true });
    this.node = h(
      "div.server", this.problem, h("div.sparks", Object.values(this.sparks).map((s) => s.node)),
      h("h3", t("server.cells")), this.cells, h("h3", t("crowd")), this.crowd(),
    );
    this.before = null;
    this.visible = false;
  }

  // look reads the metrics again and again while the panel is seen.
  async look() {
    if (this.looking) return;
    this.looking = true;
    while (this.visible && this.node.isConnected) {
      try {
        this.show(read(await (await get("/metrics")).text()));
        this.problem.hidden = true;
      } catch (e) {
        this.problem.hidden = false;
        this.problem.textContent = e.message;
      }
      await new Promise((resolve) => setTimeout(resolve, every));
    }
    this.looking = false;
  }

  show(samples) {
    const at = performance.now();
    const tokens = sum(samples, "qwenvld_completion_tokens_total");
    const prompt = sum(samples, "qwenvld_prompt_tokens_total");
    const cached = sum(samples, "qwenvld_cached_prompt_tokens_total");
    const running = sum(samples, "qwenvld_generations_in_flight");
    const waiting = sum(samples, "qwenvld_queued_requests");
    this.sparks.running.add(running, number(running));
    this.sparks.waiting.add(waiting, number(waiting));
    if (this.before) {
      const rate = Math.max(0, (tokens - this.before.tokens) / ((at - this.before.at) / 1000));
      this.sparks.speed.add(rate, number(rate, 1) + " tok/s");
    }
    const share = prompt > 0 ? cached / prompt : 0;
    this.sparks.cached.add(share, number(100 * share) + " %");
    this.before = { at, tokens };
    this.showCells(samples);
  }

  showCells(samples) {
    const all = samples.get("qwenvld_kv_cells") ?? [];
    const workers = [...new Set(all.map(([l]) => l.variant))];
    this.cells.replaceChildren(...workers.map((variant) => {
      const states = all.filter(([l]) => l.variant === variant);
      const total = states.reduce((n, [, v]) => n + v, 0) || 1;
      const bar = h("div.cell-bar", { role: "img", "aria-label": states.map(([l, v]) => `${l.state}: ${v}`).join(", ") }, states.map(([l, v]) => {
        const part = h("span", { class: "cell cell-" + l.state, title: `${l.state}: ${number(v)}` });
        part.style.flexGrow = String(v / total);
        return part;
      }));
      return h("div.cell-row", h("span", t("variant." + variant)), bar,
        h("span.quiet", states.filter(([l]) => l.state !== "free").map(([l, v]) => `${t("cells." + l.state)} ${number(v)}`).join(" · ")));
    }));
  }

  // crowd asks one question several times at once.
  crowd() {
    const text = h("input", { type: "text", value: t("crowd.question"), "aria-label": t("crowd.prompt") });
    const count = h("input", { type: "number", min: 1, max: 32, value: 4, "aria-label": t("crowd.count") });
    const bars = h("ol.crowd-bars");
    const summary = h("p.quiet", { role: "status" });
    const button = h("button.primary", { type: "submit" }, t("crowd.go"));
    const ask = async (e) => {
      e.preventDefault();
      button.disabled = true;
      const n = Math.min(32, Math.max(1, Number(count.value) || 1));
      const began = performance.now();
      const rows = Array.from({ length: n }, () => {
        const fill = h("span.crowd-fill"), label = h("span.crowd-label", "…");
        return { fill, label, node: h("li", h("span.crowd-bar", fill), label) };
      });
      bars.replaceChildren(...rows.map((r) => r.node));
      const request = { model: this.model(), messages: [{ role: "user", content: text.value }], max_tokens: 128 };
      const took = await Promise.all(rows.map(async (row) => {
        try {
          const reply = await postJSON("/v1/chat/completions", request);
          row.time = (performance.now() - began) / 1000;
          row.label.textContent = `${seconds(row.time)} · ${t("tokens", { n: reply.usage.completion_tokens })}`;
          return [row.time, reply.usage.completion_tokens];
        } catch (error) {
          row.node.classList.add("bad");
          row.label.textContent = error.message;
          return null;
        }
      }));
      const good = took.filter(Boolean);
      const longest = Math.max(...good.map(([s]) => s), 0.001);
      for (const row of rows) if (row.time) row.fill.style.width = (100 * row.time) / longest + "%";
      const tokens = good.reduce((sumOf, [, k]) => sumOf + k, 0);
      summary.textContent = t("crowd.summary", { done: good.length, n, rate: number(tokens / longest, 1), time: seconds(longest) });
      button.disabled = false;
    };
    return h("form.crowd", { onsubmit: ask }, h("div.crowd-row", text, count, button), summary, bars);
  }
}
