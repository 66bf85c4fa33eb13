// Carries out one answer: sends a request, reads its stream, and keeps an answer up to date.

import { events, post, postJSON } from "./api.js";
import { seconds, t } from "./i18n.js";

// newAnswer is an answer of which nothing has come yet.
export function newAnswer() {
  return {
    id: "", model: "", variant: "", content: "", reasoning: "", calls: [], routing: null, usage: null, finish: "", error: "",
    state: "waiting", // thinking, answering, done, stopped, failed
    started: performance.timeOrigin + performance.now(), firstToken: 0, firstAnswer: 0, ended: 0, grounding: null,
  };
}

const now = () => performance.timeOrigin + performance.now();

// Run is an answer in the making.
export class Run {
  // changed is called after each change of answer.
  constructor(answer, changed) {
    this.answer = answer;
    this.changed = changed;
    this.abort = new AbortController();
  }

  // start reads the whole stream. It never fails: the answer tells what went wrong.
  async start(body) {
    const a = this.answer;
    try {
      const response = await post(
        "/v1/chat/completions",
        { ...body, stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } },
        this.abort.signal,
      );
      a.variant = response.headers.get("X-Qwenvld-Variant") || a.variant;
      this.changed();
      for await (const chunk of events(response)) this.take(chunk);
      if (a.state !== "failed") a.state = "done";
    } catch (e) {
      if (e.name === "AbortError") a.state = "stopped";
      else {
        a.state = "failed";
        a.error = e.message;
      }
    }
    a.ended = now();
    this.changed();
    return a;
  }

  take(chunk) {
    const a = this.answer;
    a.id ||= chunk.id;
    a.model = chunk.model || a.model;
    if (chunk.routing) a.routing = { ...a.routing, ...chunk.routing };
    if (chunk.usage) a.usage = chunk.usage;
    if (chunk.grounding) a.grounding = chunk.grounding;
    const choice = chunk.choices?.[0];
    if (choice) this.takeChoice(choice);
    this.changed();
  }

  takeChoice(choice) {
    const a = this.answer;
    const d = choice.delta || {};
    const thought = d.reasoning_content ?? d.reasoning;
    if (thought) {
      a.firstToken ||= now();
      a.reasoning += thought;
      a.state = "thinking";
    }
    if (d.content) {
      a.firstToken ||= now();
      a.firstAnswer ||= now();
      a.content += d.content;
      a.state = "answering";
    }
    for (const call of d.tool_calls || []) {
      a.firstToken ||= now();
      a.firstAnswer ||= now();
      const known = (a.calls[call.index] ??= { id: "", name: "", arguments: "" });
      known.id ||= call.id || "";
      known.name ||= call.function?.name || "";
      known.arguments += call.function?.arguments || "";
      a.state = "answering";
    }
    if (choice.grounding) a.grounding = choice.grounding;
    if (choice.finish_reason) a.finish = choice.finish_reason;
  }

  stop() {
    this.abort.abort();
  }

  // answerNow has the model end its thoughts and answer.
  answerNow() {
    return postJSON(`/v1/chat/completions/${encodeURIComponent(this.answer.id)}/answer_now`, {});
  }
}

// reasoningTokens is how many tokens an answer's thoughts took so far.
export function reasoningTokens(a) {
  return a.usage?.completion_tokens_details?.reasoning_tokens ?? 0;
}

// figures are what an answer took, in words.
export function figures(a) {
  const out = [];
  const total = (a.ended || now()) - a.started;
  if (a.usage?.completion_tokens) {
    out.push([t("figure.tokens"), String(a.usage.completion_tokens)]);
    const writing = (a.ended || now()) - a.firstToken;
    if (a.firstToken && a.usage.completion_tokens > 4 && writing > 50) {
      out.push([t("figure.speed"), ((a.usage.completion_tokens - 1) / (writing / 1000)).toFixed(1) + " tok/s"]);
    }
  }
  if (a.firstToken) out.push([t("figure.first"), seconds((a.firstToken - a.started) / 1000)]);
  if (a.firstAnswer && reasoningTokens(a)) out.push([t("figure.answer"), seconds((a.firstAnswer - a.started) / 1000)]);
  if (a.ended) out.push([t("figure.total"), seconds(total / 1000)]);
  if (a.usage?.prompt_tokens_details?.cached_tokens) out.push([t("figure.cached"), String(a.usage.prompt_tokens_details.cached_tokens)]);
  return out;
}
