// Asks the server. Everything that the page knows of the models comes through here.

import { apiKey } from "./settings.js";

// Refused is an answer that is an error.
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message || `status ${status}`);
    this.status = status;
    this.code = error?.code || "";
    this.param = error?.param || "";
  }
}

function headers(json) {
  const out = {};
  if (json) out["Content-Type"] = "application/json";
  if (apiKey()) out.Authorization = "Bearer " + apiKey();
  return out;
}

async function checked(response) {
  if (response.ok) return response;
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
    // no JSON: the status says what there is to say
  }
  throw new Refused(response.status, error);
}

export async function get(path, signal) {
  return checked(await fetch(path, { headers: headers(false), signal, credentials: "same-origin" }));
}

export async function post(path, body, signal) {
  return checked(
    await fetch(path, { method: "POST", headers: headers(true), body: JSON.stringify(body), signal, credentials: "same-origin" }),
  );
}

export async function postJSON(path, body, signal) {
  return (await post(path, body, signal)).json();
}

export async function getJSON(path, signal) {
  return (await get(path, signal)).json();
}

// events gives the data of a stream of server-sent events, as they come, up to [DONE].
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const block = rest.slice(0, end);
        rest = rest.slice(end + 2);
        const data = block.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
        if (!data) continue; // a comment
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error) throw new Refused(0, event.error);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
