// Is the conversation on the page: its turns, their views, and the answers in the making.

import { announce, h, iconButton, note } from "./dom.js";
import { t } from "./i18n.js";
import { AnswerView, seek, toolTurn, userTurn } from "./message.js";
import { body } from "./request.js";
import { Run, newAnswer } from "./run.js";
import { newID, saveConversation } from "./store.js";
import { settings } from "./settings.js";
import { voteBar } from "./vote.js";

// Conversation owns the log.
export class Conversation {
  // hooks are model(), changed(), why(answer), edit(turn).
  constructor(log, hooks) {
    this.log = log;
    this.hooks = hooks;
    this.runs = [];
    this.views = new Map();
    this.open(null);
    log.addEventListener("video-time", (e) => seek(log, e.detail));
  }

  // open shows a kept conversation, or an empty one.
  open(data) {
    this.stop();
    this.data = data ?? { id: newID(), title: "", created: Date.now(), updated: Date.now(), turns: [] };
    this.views.clear();
    this.log.replaceChildren();
    for (const turn of this.data.turns) this.show(turn);
    this.refresh();
    this.hooks.changed();
  }

  get empty() {
    return this.data.turns.length === 0;
  }

  get running() {
    return this.runs.length > 0;
  }

  stop() {
    for (const run of this.runs) run.stop();
  }

  // send asks, and has one variant or both answer.
  async send(text, media) {
    this.push({ role: "user", text, media });
    if (!this.data.title) this.data.title = (text || media[0]?.name || "").slice(0, 60);
    await this.answer();
  }

  push(turn) {
    this.data.turns.push(turn);
    this.show(turn);
    this.refresh();
    this.hooks.changed();
  }

  // answer has the last turn answered.
  async answer() {
    const both = settings.mode === "both";
    const variants = both ? ["instruct", "thinking"] : [settings.mode === "auto" ? "" : settings.mode];
    let bodies;
    try {
      bodies = variants.map((variant) => body(this.data.turns, { model: this.hooks.model(), variant }));
    } catch (e) {
      note(e.message, "bad");
      return;
    }
    const turn = { role: "assistant", answers: variants.map((variant) => ({ ...newAnswer(), variant })), chosen: 0 };
    this.push(turn);
    await this.run(turn, bodies.map((b, i) => [i, b]));
  }

  // run carries requests out, each for the answer with its number.
  async run(turn, jobs) {
    const runs = jobs.map(([i]) => {
      let pending = false;
      return new Run(turn.answers[i], () => {
        if (pending) return;
        pending = true;
        // A hidden page gets no frames, and what it shows can wait until somebody looks.
        const draw = () => {
          pending = false;
          this.update(turn, i);
        };
        if (document.hidden) setTimeout(draw, 200);
        else requestAnimationFrame(draw);
      });
    });
    this.runs.push(...runs);
    this.hooks.changed();
    await Promise.all(runs.map((run, at) => run.start(jobs[at][1])));
    this.runs = this.runs.filter((r) => !runs.includes(r));
    turn.answers.forEach((_, i) => this.update(turn, i));
    announce(turn.answers[0].error || t("done") + " " + turn.answers[0].content.slice(0, 400));
    await this.save();
    this.refresh();
    this.hooks.changed();
  }

  update(turn, i) {
    const view = this.views.get(turn);
    if (!view) return;
    const follow = nearEnd(this.log.parentElement);
    view.answers[i].set(turn.answers[i]);
    this.hooks.answered(turn.answers[i]);
    if (follow) toEnd(this.log.parentElement);
  }

  async save() {
    this.data.updated = Date.now();
    await saveConversation(structuredClone(this.data)).catch((e) => note(t("store.failed", { why: e.message }), "bad"));
    this.hooks.saved();
  }

  // medium is the picture that the turn before an answer shows, for boxes.
  medium(turn) {
    const before = this.data.turns.slice(0, this.data.turns.indexOf(turn)).reverse();
    for (const earlier of before) {
      const picture = earlier.media?.find((m) => m.kind === "image");
      if (picture) return picture;
    }
    return null;
  }

  show(turn) {
    if (turn.role === "user") {
      const node = userTurn(turn, { edit: () => this.hooks.edit(turn) });
      this.views.set(turn, { node });
    } else if (turn.role === "tool") this.views.set(turn, { node: toolTurn(turn) });
    else this.views.set(turn, this.assistant(turn));
    this.log.append(this.views.get(turn).node);
    toEnd(this.log.parentElement);
  }

  assistant(turn) {
    const actions = {
      why: (answer) => this.hooks.why(answer),
      answerNow: (answer, thinking) => {
        this.runs.find((r) => r.answer === answer)?.answerNow().catch((e) => {
          thinking.failed();
          note(e.message, "bad");
        });
      },
      toolResult: (call, text) => this.toolResult(call, text),
    };
    const answers = turn.answers.map((answer) => new AnswerView(answer, { medium: this.medium(turn), actions }));
    const columns = h("div", { class: answers.length > 1 ? "columns" : "" }, answers.map((a) => a.node));
    const node = h("article.turn.assistant", { "aria-label": t("role.assistant") }, columns);
    const foot = h("div.turn-actions");
    node.append(foot);
    return { node, answers, foot };
  }

  async toolResult(call, text) {
    this.push({ role: "tool", call: call.id, name: call.name, text });
    const last = this.data.turns.findLast((turn) => turn.role === "assistant");
    const answered = new Set(this.data.turns.filter((turn) => turn.role === "tool").map((turn) => turn.call));
    if (last.answers[last.chosen || 0].calls.every((c) => answered.has(c.id))) await this.answer();
  }

  // refresh gives the last answer what can be done with it.
  refresh() {
    for (const turn of this.data.turns) {
      const view = this.views.get(turn);
      if (turn.role !== "assistant" || !view) continue;
      const idle = !this.running || turn !== this.data.turns.at(-1);
      view.foot.replaceChildren(...(idle ? this.actionsOf(turn) : []));
    }
  }

  actionsOf(turn) {
    const out = [];
    const last = turn === this.data.turns.at(-1);
    const answer = turn.answers[turn.chosen || 0];
    out.push(iconButton("copy", t("copy"), () => navigator.clipboard?.writeText(answer.content).then(() => note(t("copied")))));
    if (last) {
      out.push(iconButton("retry", t("retry"), () => this.retry(turn)));
      if (answer.finish === "length" || answer.state === "stopped") {
        out.push(h("button.pill-button", { type: "button", onclick: () => this.goOn(turn) }, t("continue")));
      }
    }
    if (turn.answers.length > 1) out.push(voteBar(turn, this.questionOf(turn), (chosen) => this.choose(turn, chosen)));
    return out;
  }

  questionOf(turn) {
    return this.data.turns.slice(0, this.data.turns.indexOf(turn)).findLast((u) => u.role === "user");
  }

  async choose(turn, chosen) {
    turn.chosen = chosen;
    await this.save();
    this.refresh();
  }

  async retry(turn) {
    this.drop(turn);
    await this.answer();
  }

  // drop takes a turn and all that follow away.
  drop(turn) {
    const at = this.data.turns.indexOf(turn);
    for (const later of this.data.turns.splice(at)) {
      this.views.get(later)?.node.remove();
      this.views.delete(later);
    }
  }

  // goOn has an answer that was cut go on where it ended.
  async goOn(turn) {
    const answer = turn.answers[turn.chosen || 0];
    const request = body(this.data.turns, { model: this.hooks.model(), variant: answer.variant, goOn: true });
    answer.state = "waiting";
    answer.finish = answer.error = "";
    answer.id = "";
    await this.run(turn, [[turn.chosen || 0, request]]);
  }
}

function nearEnd(scroller) {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 120;
}

function toEnd(scroller) {
  scroller.scrollTop = scroller.scrollHeight;
}
