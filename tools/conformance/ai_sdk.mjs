// Vercel's AI SDK against a running daemon: chat completions through its openai-compatible provider, and the Responses API
// through its OpenAI provider.
import {createOpenAI} from "@ai-sdk/openai";
import {createOpenAICompatible} from "@ai-sdk/openai-compatible";
import {generateText, isStepCount, Output, streamText, tool} from "ai";
import {z} from "zod";
import {check, instruct, picture, suite, thinking, url} from "./cases.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const options = {temperature: 0, maxRetries: 0};
const calculator = tool({
  description: "Evaluates an arithmetic expression.",
  inputSchema: z.object({expression: z.string()}),
  execute: ({expression}) => expression,
});
const ask = (name, text) => [{
  role: "user",
  content: [{type: "file", mediaType: "image/png", data: picture(name)}, {type: "text", text}],
}];

for (const [name, of] of [
  ["AI SDK (chat)", createOpenAICompatible({
    name: "qwenvld", baseURL: url + "/v1", apiKey: "none", includeUsage: true, supportsStructuredOutputs: true,
  })],
  ["AI SDK (Responses)", createOpenAI({baseURL: url + "/v1", apiKey: "none"})],
]) {
  const run = suite(name);
  await run("text", async () => {
    const r = await generateText({...options, model: of(instruct), system: "You are helpful.", prompt: "Hello, who are you?"});
    check(r.text && r.finishReason === "stop" && r.usage.inputTokens > 0, r.text);
  });
  await run("stream", async () => {
    const r = streamText({...options, model: of(instruct), prompt: "Hello, who are you?"});
    let text = "";
    for await (const part of r.textStream) text += part;
    check(text && (await r.usage).outputTokens > 0, text);
  });
  await run("image", async () => {
    const r = await generateText({...options, model: of(instruct), messages: ask("number", "What is the number in the picture?")});
    check(r.text.includes("720"), r.text);
  });
  await run("tools: required, run, answered", async () => {
    const r = await generateText({
      ...options, model: of(instruct), prompt: "How much is 530 * 634?", tools: {calculator}, stopWhen: isStepCount(2),
      prepareStep: ({stepNumber}) => ({toolChoice: stepNumber === 0 ? "required" : "none"}),
    });
    check(r.steps[0].toolCalls[0].input.expression && r.steps.length === 2, r.steps.map((s) => s.content));
  });
  await run("structured output", async () => {
    const r = await generateText({
      ...options, model: of(instruct), prompt: "How much is 3 + 4?",
      output: Output.object({schema: z.object({sum: z.int(), words: z.string().max(20)})}),
    });
    check(Number.isInteger(r.output.sum), r.output);
  });
  await run("reasoning", async () => {
    const r = await generateText({
      ...options, model: of(thinking), messages: ask("sum", "What is the sum of the numbers?"),
      providerOptions: {openai: {reasoningSummary: "auto", forceReasoning: true}},
    });
    check(r.reasoningText?.includes("+") && r.text.includes("132"), [r.reasoningText, r.text]);
    const s = streamText({
      ...options, model: of(thinking), messages: ask("sum", "What is the sum of the numbers?"),
      providerOptions: {openai: {reasoningSummary: "auto", forceReasoning: true}},
    });
    let thought = "", said = "";
    for await (const part of s.fullStream) {
      if (part.type === "reasoning-delta") thought += part.text;
      if (part.type === "text-delta") said += part.text;
      if (part.type === "error") throw part.error;
    }
    check(thought.includes("+") && said.includes("132"), [thought, said]);
  });
}
