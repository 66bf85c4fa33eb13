// Anthropic's SDK for Node against a running daemon, its tool runner included.
import Anthropic from "@anthropic-ai/sdk";
import {betaZodOutputFormat, betaZodTool} from "@anthropic-ai/sdk/helpers/beta/zod";
import {z} from "zod";
import {check, instruct, picture, suite, thinking, url} from "./cases.mjs";

const claude = new Anthropic({baseURL: url, apiKey: "none", maxRetries: 0});
const run = suite("anthropic-node");
const user = (content) => [{role: "user", content}];
const image = (name) => ({type: "image", source: {type: "base64", media_type: "image/png", data: picture(name).toString("base64")}});
const sum = user([image("sum"), {type: "text", text: "What is the sum of the numbers?"}]);
const said = (m) => m.content.filter((b) => b.type === "text").map((b) => b.text).join("");

await run("text", async () => {
  const m = await claude.messages.create({model: instruct, max_tokens: 100, system: "You are helpful.", messages: user("Hello, who are you?")});
  check(said(m) && m.stop_reason === "end_turn" && m.usage.input_tokens > 0, m);
});
await run("stream", async () => {
  const s = claude.messages.stream({model: instruct, max_tokens: 100, messages: user("Hello, who are you?")});
  let text = "";
  s.on("text", (t) => { text += t; });
  const m = await s.finalMessage();
  check(text && text === said(m) && m.usage.input_tokens > 0, m);
});
await run("image", async () => {
  const m = await claude.messages.create({
    model: instruct, max_tokens: 100, temperature: 0,
    messages: user([image("number"), {type: "text", text: "What is the number in the picture?"}]),
  });
  check(said(m).includes("720"), m);
});
await run("tool runner", async () => {
  let seen;
  const calculator = betaZodTool({
    name: "calculator", description: "Evaluates an arithmetic expression.", inputSchema: z.object({expression: z.string()}),
    run: ({expression}) => { seen = expression; return "336020"; },
  });
  for (const stream of [false, true]) {
    seen = undefined;
    const runner = claude.beta.messages.toolRunner({
      model: instruct, max_tokens: 100, temperature: 0, stream, max_iterations: 3,
      messages: user("How much is 530 * 634?"), tools: [calculator],
    });
    const m = await runner.runUntilDone();
    check(seen && m.content.length > 0, [stream, seen, m]);
  }
});
await run("structured output", async () => {
  const m = await claude.beta.messages.parse({
    model: instruct, max_tokens: 100, messages: user("How much is 3 + 4?"),
    output_config: {format: betaZodOutputFormat(z.object({sum: z.int(), words: z.string()}))},
  });
  check(Number.isInteger(m.parsed_output.sum), m);
});
await run("reasoning", async () => {
  const s = claude.messages.stream({
    model: thinking, max_tokens: 2000, thinking: {type: "enabled", budget_tokens: 1024}, messages: sum,
  });
  const m = await s.finalMessage();
  check(m.content[0].type === "thinking" && m.content[0].thinking.includes("+") && said(m).includes("132"), m);
});
await run("errors have their class", async () => {
  try {
    await claude.messages.create({model: "nobody", max_tokens: 10, messages: user("Hello")});
  } catch (e) {
    check(e instanceof Anthropic.NotFoundError && e.error.type === "error", e);
    return;
  }
  check(false, "accepted");
});
