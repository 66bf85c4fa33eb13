// Ollama's client for JavaScript against a running daemon.
import {Ollama} from "ollama";
import {check, example, instruct, picture, suite, thinking, url} from "./cases.mjs";

const ollama = new Ollama({host: url});
const run = suite("ollama-js");
const exact = {temperature: 0, repeat_penalty: 1, presence_penalty: 0};
const ask = (model, messages, more) => ollama.chat({model, messages, options: exact, ...more});
const user = (content, ...names) => [{role: "user", content, images: names.map((name) => picture(name))}];

await run("models", async () => {
  const {models} = await ollama.list();
  check(["qwen3-vl", instruct, thinking].every((id) => models.some((m) => m.model === id)), models);
  check((await ollama.show({model: thinking})).capabilities.includes("thinking"), thinking);
});
await run("text", async () => {
  const r = await ask(instruct, user("Hello, who are you?"));
  check(r.message.content && r.done_reason === "stop" && r.eval_count > 0 && r.total_duration > 0, r);
});
await run("stream", async () => {
  let text = "", last;
  for await (last of await ask(instruct, user("Hello, who are you?"), {stream: true})) text += last.message.content;
  check(text && last.done && last.prompt_eval_count > 0, [text, last]);
});
await run("image", async () => {
  const r = await ask(instruct, user("What is the number in the picture?", "number"));
  check(r.message.content.includes("720"), r);
});
await run("tools", async () => {
  const {messages, tools} = {messages: example("tool"), tools: [{type: "function", function: {
    name: "calculator", description: "Evaluates an arithmetic expression.",
    parameters: {type: "object", properties: {expression: {type: "string"}}, required: ["expression"]},
  }}]};
  const r = await ask(instruct, messages, {tools});
  const [call] = r.message.tool_calls;
  check(call.function.arguments.expression, r);
  const answer = await ask(instruct, [...messages, r.message, {role: "tool", tool_name: call.function.name, content: "336020"}], {tools});
  check(answer.message.content, answer);
});
await run("structured output", async () => {
  const format = {type: "object", properties: {sum: {type: "integer"}}, required: ["sum"], additionalProperties: false};
  const r = await ask(instruct, user("How much is 3 + 4?"), {format});
  check(Number.isInteger(JSON.parse(r.message.content).sum), r);
});
await run("reasoning", async () => {
  const r = await ask(thinking, user("What is the sum of the numbers?", "sum"), {think: true});
  check(r.message.thinking.includes("+") && r.message.content.includes("132"), r);
});
await run("errors", async () => {
  const e = await ask("none", user("hi")).catch((e) => e);
  check(e.name === "ResponseError" && e.status_code === 404 && e.error.includes("none"), String(e));
});
await run("abort", async () => {
  const parts = await ask(instruct, user("Hello"), {stream: true});
  parts.abort();
  const e = await (async () => { for await (const _ of parts); })().catch((e) => e);
  check(e?.name === "AbortError", String(e));
});
