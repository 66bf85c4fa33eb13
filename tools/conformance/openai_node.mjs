// openai-node against a running daemon with the built-in pair.
import OpenAI from "openai";
import {check, example, instruct, suite, thinking, url} from "./cases.mjs";

const client = new OpenAI({baseURL: url + "/v1", apiKey: "none", maxRetries: 0});
const tools = [{type: "function", function: {name: "calculator", parameters: {type: "object", properties: {expression: {type: "string"}}, required: ["expression"]}}}];
const run = suite("openai-node");

await run("models", async () => check((await client.models.list()).data.length >= 3));
await run("chat: image", async () => {
  const r = await client.chat.completions.create({model: instruct, messages: example("number"), temperature: 0});
  check(r.choices[0].message.content.includes("720"), r);
});
await run("chat: stream with reasoning", async () => {
  let thought = "", said = "";
  for await (const c of await client.chat.completions.create({model: thinking, messages: example("sum"), temperature: 0, stream: true})) {
    thought += c.choices[0]?.delta?.reasoning_content ?? "";
    said += c.choices[0]?.delta?.content ?? "";
  }
  check(thought.includes("+") && said.includes("132"), [thought, said]);
});
await run("chat: required tool in the stream helper", async () => {
  const s = client.chat.completions.stream({model: instruct, messages: example("tool"), tools, tool_choice: "required", temperature: 0});
  const r = await s.finalChatCompletion();
  check(JSON.parse(r.choices[0].message.tool_calls[0].function.arguments).expression, r);
});
await run("chat: an abandoned stream", async () => {
  const s = await client.chat.completions.create({model: thinking, messages: example("sum"), stream: true});
  for await (const _ of s) break;
  check((await client.chat.completions.create({model: thinking, messages: example("sum"), max_tokens: 3})).choices.length === 1);
});
await run("errors have their class and name the field", async () => {
  try {
    await client.chat.completions.create({model: instruct, messages: example("colour"), temperature: 9});
  } catch (e) {
    check(e instanceof OpenAI.BadRequestError && e.param === "temperature", e);
    return;
  }
  check(false, "accepted");
});
await run("responses: stream helper, previous_response_id", async () => {
  const s = client.responses.stream({model: instruct, input: "Hello"});
  const first = await s.finalResponse();
  const second = await client.responses.create({model: instruct, input: "Who are you?", previous_response_id: first.id});
  check(first.output_text && second.output_text && second.previous_response_id === first.id, second);
});
