// Takes a person's word for which of two answers was better, as a line that `qwenvld router calibrate` reads. Votes
// stay in this browser until they are exported.

import { download, h, note } from "./dom.js";
import { seconds, t } from "./i18n.js";
import { clearVotes, newID, saveVote, votes } from "./store.js";

// outcome is a vote as router data: the scores of the direct and of the thinking answer, from 0 to 1.
export function outcome(question, instruct, thinking, better) {
  const took = (a) => Math.round((a.ended - a.started) / 10) / 100;
  const pictures = (question.media || []).length;
  return {
    text: question.text, image: pictures > 0, image_count: pictures || undefined, lang: "", source: "playground",
    kind: instruct.routing?.kind || "", label: better === "thinking" ? "thinking" : "instruct",
    weak: better === "thinking" ? 0 : better === "bad" ? 0 : 1, strong: better === "instruct" || better === "bad" ? 0 : 1,
    tokens: thinking.usage?.completion_tokens || 0, weak_tokens: instruct.usage?.completion_tokens || 0,
    weak_seconds: took(instruct), strong_seconds: took(thinking),
  };
}

// voteBar asks which answer was better. chosen is told which one the conversation goes on with.
export function voteBar(turn, question, chosen) {
  const [instruct, thinking] = turn.answers;
  if (instruct.state !== "done" || thinking.state !== "done") return h("span");
  const vote = async (better) => {
    turn.vote = better;
    turn.voteID ||= newID();
    await saveVote({ id: turn.voteID, at: Date.now(), line: outcome(question, instruct, thinking, better) });
    note(t("vote.saved"));
    chosen(better === "thinking" ? 1 : 0);
  };
  const button = (better) =>
    h("button.vote", { type: "button", "aria-pressed": String(turn.vote === better), onclick: () => vote(better) }, t("vote." + better));
  const saved = seconds(Math.max(0, (thinking.ended - thinking.started - (instruct.ended - instruct.started)) / 1000));
  return h("div.votes", { role: "group", "aria-label": t("vote.ask") }, h("span", t("vote.ask")), ["instruct", "both", "thinking", "bad"].map(button), h("span.quiet", t("vote.saving", { time: saved })));
}

// exportVotes hands over all votes as JSONL.
export async function exportVotes() {
  const all = await votes();
  if (!all.length) {
    note(t("vote.none"));
    return;
  }
  download("outcomes.jsonl", all.map((v) => JSON.stringify(v.line)).join("\n") + "\n", "application/x-ndjson");
}

export { clearVotes };
