// Shows thoughts: folded, with the last sentence of them, and what they have taken of their budget.

import { h, icon } from "./dom.js";
import { number, t } from "./i18n.js";
import { reasoningTokens } from "./run.js";

// lastSentence is the end of a text that can be read by itself.
export function lastSentence(text) {
  const flat = text.replace(/\s+/g, " ").trim();
  const parts = flat.split(/(?<=[.!?。！？])\s*/).filter(Boolean);
  const last = parts.at(-1) || "";
  const whole = last.length < 12 && parts.length > 1 ? parts.at(-2) + " " + last : last;
  return whole.length > 160 ? "…" + whole.slice(-159) : whole;
}

// Thinking shows one answer's thoughts.
export class Thinking {
  // onAnswerNow is called where a person does not want to wait for more of them.
  constructor(onAnswerNow) {
    this.sentence = h("span.think-sentence");
    this.count = h("span.think-count");
    this.bar = h("span.think-bar", { role: "progressbar", "aria-label": t("think.budget"), "aria-valuemin": "0" }, h("span.think-fill"));
    this.now = h("button.pill-button", {
      type: "button", title: t("think.now.hint"),
      onclick: () => {
        this.now.disabled = true;
        onAnswerNow();
      },
    }, icon("bolt"), t("think.now"));
    this.text = h("div.think-text");
    this.title = h("span.think-title");
    this.details = h("details.think-fold", h("summary", icon("brain"), this.title, this.sentence, icon("down")), this.text);
    this.node = h("div.think", this.details, h("div.think-meter", this.bar, this.count, this.now));
  }

  set(a) {
    const open = a.state === "thinking" || (a.state === "waiting" && a.reasoning);
    this.node.hidden = !a.reasoning;
    this.node.classList.toggle("live", open);
    this.title.textContent = open ? t("think.live") : t("think.done");
    this.sentence.textContent = lastSentence(a.reasoning);
    if (this.text.textContent !== a.reasoning) this.text.textContent = a.reasoning;
    const used = reasoningTokens(a);
    const budget = a.routing?.thinking_budget || 0;
    const closed = a.routing?.closed_by ? " · " + t("closed." + a.routing.closed_by) : "";
    this.count.textContent = (budget ? t("think.of", { used: number(used), budget: number(budget) }) : t("think.used", { used: number(used) })) + closed;
    this.bar.hidden = !budget;
    this.bar.setAttribute("aria-valuemax", budget);
    this.bar.setAttribute("aria-valuenow", used);
    this.bar.firstChild.style.width = Math.min(100, (100 * used) / (budget || 1)) + "%";
    this.now.hidden = !open || !a.id;
  }

  // failed lets the person try again.
  failed() {
    this.now.disabled = false;
  }
}
