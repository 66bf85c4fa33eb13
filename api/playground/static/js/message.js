// Shows the turns of a conversation.

import { Overlay, parse } from "./boxes.js";
import { copy, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { View } from "./markdown.js";
import { blobURL } from "./media.js";
import { figures } from "./run.js";
import { Thinking } from "./thinking.js";

// thumbnail shows a medium of a message.
export function thumbnail(m, { large = false } = {}) {
  if (m.kind === "video") return h("video.medium", { src: blobURL(m.url), controls: large, muted: true, playsInline: true, preload: "metadata", "aria-label": m.name });
  const image = h("img.medium", { src: m.url, alt: m.name });
  return m.kind === "frames" ? h("span.frames-stack", image, h("span.frames-count", String(m.frames.length))) : image;
}

// userTurn shows what a person asked. actions are edit(turn).
export function userTurn(turn, actions) {
  const node = h("article.turn.user", { "aria-label": t("role.user") });
  if (turn.media?.length) node.append(h("div.turn-media", turn.media.map((m) => thumbnail(m, { large: true }))));
  if (turn.text) node.append(h("div.turn-text", turn.text));
  node.append(h("div.turn-actions", iconButton("edit", t("edit"), () => actions.edit(turn)), iconButton("copy", t("copy"), () => copy(turn.text, t("copied")))));
  node.addEventListener("video-time", (e) => seek(node, e.detail));
  return node;
}

// seek shows a moment of the videos in node.
export function seek(node, seconds) {
  const video = node.querySelector("video");
  if (video) {
    video.currentTime = seconds;
    video.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}

// toolTurn shows what a tool gave.
export function toolTurn(turn) {
  return h("article.turn.tool", { "aria-label": t("role.tool") }, h("span.tool-name", turn.name || "tool"), h("pre", { tabIndex: 0 }, turn.text));
}

// AnswerView shows one answer while it comes and afterwards.
export class AnswerView {
  // medium is the picture that the answer is about, if there is one. actions are answerNow(answer), why(answer).
  constructor(answer, { medium, actions }) {
    this.answer = answer;
    this.medium = medium;
    this.badge = h("button.badge", { type: "button", title: t("why.title"), onclick: () => actions.why(this.answer) });
    this.thinking = new Thinking(() => actions.answerNow(this.answer, this.thinking));
    this.view = new View();
    this.wait = h("div.dots", { role: "status", "aria-label": t("waiting") }, h("i"), h("i"), h("i"));
    this.calls = h("div.calls");
    this.error = h("div.error", { role: "alert" });
    this.foot = h("dl.figures");
    this.grounding = h("div");
    this.node = h("div.answer", h("div.answer-head", this.badge), this.thinking.node, this.wait, this.grounding, this.view.node, this.calls, this.error, this.foot);
    this.actions = actions;
    this.set(answer);
  }

  set(answer) {
    this.answer = answer;
    const variant = answer.variant || answer.routing?.variant || "";
    this.badge.hidden = !variant;
    this.badge.className = "badge " + variant;
    this.badge.replaceChildren(icon(variant === "thinking" ? "brain" : "bolt"), variant ? t("variant." + variant) : "", h("span.badge-why", t("why")));
    this.thinking.set(answer);
    const places = parse(answer.content);
    if (places.length && this.medium && !this.overlay) {
      this.overlay = new Overlay(this.medium);
      this.grounding.append(this.overlay.node);
    }
    this.overlay?.set(places);
    this.view.set(answer.content);
    this.wait.hidden = answer.state !== "waiting" || Boolean(answer.reasoning);
    this.showCalls();
    this.error.hidden = !answer.error;
    this.error.textContent = answer.error;
    this.foot.replaceChildren(...figures(answer).map(([name, value]) => h("div", h("dt", name), h("dd", value))));
    if (answer.finish === "length") this.foot.append(h("div.cut", h("dt", t("finish.length"))));
    if (answer.state === "stopped") this.foot.append(h("div.cut", h("dt", t("finish.stopped"))));
  }

  showCalls() {
    const calls = this.answer.calls || [];
    this.calls.hidden = calls.length === 0;
    if (this.calls.childElementCount > calls.length) this.calls.replaceChildren();
    calls.forEach((call, i) => {
      if (!this.calls.children[i]) this.calls.append(this.callCard(i));
      this.calls.children[i].querySelector("pre").textContent = `${call.name}(${call.arguments})`;
    });
  }

  callCard(i) {
    const result = h("textarea", { rows: 2, "aria-label": t("tool.result"), placeholder: t("tool.result") });
    return h("div.call", h("pre", { tabIndex: 0 }), result, h("button.pill-button", {
      type: "button", onclick: () => this.actions.toolResult(this.answer.calls[i], result.value),
    }, t("tool.send")));
  }
}
