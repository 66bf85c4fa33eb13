// What the Node suites share: the pictures with known answers, and how results are told.
import {readFileSync} from "node:fs";

export const url = process.env.CONFORMANCE_URL ?? "http://127.0.0.1:8080";
export const [instruct, thinking] = ["qwen3-vl-instruct", "qwen3-vl-thinking"];
const examples = new URL("file://" + (process.env.CONFORMANCE_EXAMPLES ?? process.cwd() + "/../../examples") + "/");

/** The messages of examples/NAME.json, whose answers the tests of the daemon know. */
export const example = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, examples))).messages;

/** The bytes of examples/NAME.png. */
export const picture = (name) => readFileSync(new URL(`${name}.png`, examples));

export function check(ok, what) {
  if (!ok) throw new Error(JSON.stringify(what));
}

/** Runs cases one after another and prints a row of the table for each; the process fails if one did. */
export function suite(client) {
  return async function run(name, f) {
    try {
      await f();
      console.log(`| ${client} | ${name} | pass |`);
    } catch (e) {
      process.exitCode = 1;
      console.log(`| ${client} | ${name} | FAIL: ${String(e).replaceAll(/[|\n]/g, " ").slice(0, 150)} |`);
      console.error(client, name, e);
    }
  };
}
