// Puts a conversation and what was chosen into the body of a request.

import { settings } from "./settings.js";

// BLANK stands for a picture where only its presence matters, as for the router, which looks at no pixels.
const BLANK = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4//8/AwAI/AL+XJ/P2gAAAABJRU5ErkJggg==";

// part is how the API takes a medium.
function part(m, blank) {
  if (m.kind === "image") return { type: "image_url", image_url: { url: blank ? BLANK : m.url } };
  if (blank) return { type: "image_url", image_url: { url: BLANK } };
  if (m.kind === "frames") return { type: "video", video: m.frames, fps: m.fps };
  return { type: "video_url", video_url: { url: m.url }, fps: Number(settings.fps) || 2 };
}

function userMessage(turn, blank) {
  if (!turn.media?.length) return { role: "user", content: turn.text };
  const parts = turn.media.map((m) => part(m, blank));
  if (turn.text) parts.push({ type: "text", text: turn.text });
  return { role: "user", content: parts };
}

function assistantMessage(answer, withThoughts) {
  const out = { role: "assistant", content: answer.content };
  if (withThoughts && answer.reasoning) out.reasoning_content = answer.reasoning;
  if (answer.calls?.length) {
    out.tool_calls = answer.calls.map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: c.arguments } }));
  }
  return out;
}

// messages are the turns as the API takes them. Thoughts of earlier answers are kept in the browser and not sent again.
function messages(turns, { blank = false, goOn = false } = {}) {
  const out = [];
  if (settings.system.trim()) out.push({ role: "system", content: settings.system });
  turns.forEach((turn, i) => {
    if (turn.role === "user") out.push(userMessage(turn, blank));
    else if (turn.role === "tool") out.push({ role: "tool", tool_call_id: turn.call, content: turn.text });
    else {
      const answer = turn.answers[turn.chosen || 0];
      const last = i === turns.length - 1;
      if (answer.content || answer.calls?.length || (last && goOn)) out.push(assistantMessage(answer, last && goOn));
    }
  });
  return out;
}

function json(text, name) {
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Error(`${name}: ${e.message}`);
  }
}

// body is a request for the conversation's next answer. model is the routed model's name; variant one of its weights.
export function body(turns, { model, variant = "", blank = false, goOn = false }) {
  const out = { model: modelID(model, variant), messages: messages(turns, { blank, goOn }) };
  if (goOn) out.continue_final_message = true;
  if (!variant && settings.effort) out.reasoning_effort = settings.effort;
  for (const name of ["temperature", "top_p", "presence_penalty"]) if (settings[name] !== "") out[name] = Number(settings[name]);
  if (settings.max_tokens !== "") out.max_tokens = Math.round(Number(settings.max_tokens));
  if (settings.seed !== "") out.seed = Math.round(Number(settings.seed));
  if (settings.tools.trim()) out.tools = json(settings.tools, "tools");
  if (settings.grounding) out.response_format = { type: "grounding" };
  else if (settings.schema.trim()) {
    out.response_format = { type: "json_schema", json_schema: { name: "answer", schema: json(settings.schema, "schema") } };
  }
  if (settings.max_pixels > 0) {
    out.mm_processor_kwargs = { max_pixels: settings.max_pixels };
  }
  return out;
}

function modelID(model, variant) {
  if (variant) return `${model}-${variant}`;
  return settings.quality === 5 ? model : `${model}:quality=${settings.quality}`;
}
