// Writes the request that the page would send as code for other programs.

import { copy, h } from "./dom.js";
import { t } from "./i18n.js";
import { highlight } from "./highlight.js";

const LONG = 120;

// brief shortens data URIs, which nobody reads.
function brief(value) {
  if (typeof value === "string" && value.startsWith("data:") && value.length > LONG) return value.slice(0, value.indexOf(",") + 1) + "BASE64";
  if (Array.isArray(value)) return value.map(brief);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, brief(v)]));
  return value;
}

// own are members that OpenAI's SDKs take as extra ones.
const EXTRA = ["mm_processor_kwargs", "thinking_budget", "continue_final_message"];

const indent = (text, by) => text.split("\n").join("\n" + by);

function python(value, depth = 0) {
  const pad = "    ".repeat(depth + 1), end = "    ".repeat(depth);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return value.length ? `[\n${value.map((v) => pad + python(v, depth + 1)).join(",\n")},\n${end}]` : "[]";
  if (typeof value === "object") {
    const entries = Object.entries(value);
    return entries.length ? `{\n${entries.map(([k, v]) => `${pad}${JSON.stringify(k)}: ${python(v, depth + 1)}`).join(",\n")},\n${end}}` : "{}";
  }
  return JSON.stringify(value);
}

const shell = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

const writers = {
  curl: ["bash", (b, url) => `curl -s ${url}/v1/chat/completions \\\n  -H 'Content-Type: application/json' \\\n  -H "Authorization: Bearer $QWENVLD_API_KEY" \\\n  -d ${shell(JSON.stringify(b, null, 1))}\n`],
  Python: ["python", (b, url) => {
    const extra = Object.fromEntries(Object.entries(b).filter(([k, v]) => EXTRA.includes(k) || (k === "response_format" && v.type === "grounding")));
    const rest = Object.entries(b).filter(([k]) => !(k in extra));
    const args = rest.map(([k, v]) => `    ${k}=${indent(python(v), "    ")},`);
    if (Object.keys(extra).length) args.push(`    extra_body=${indent(python(extra), "    ")},`);
    return `# pip install openai\nimport os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${url}/v1", api_key=os.environ.get("QWENVLD_API_KEY", "none"))\nreply = client.chat.completions.create(\n${args.join("\n")}\n)\nprint(reply.choices[0].message.content)\n`;
  }],
  JavaScript: ["javascript", (b, url) => `// npm install openai\nimport OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${url}/v1", apiKey: process.env.QWENVLD_API_KEY ?? "none" });\nconst reply = await client.chat.completions.create(${JSON.stringify(b, null, 2)});\nconsole.log(reply.choices[0].message.content);\n`],
  Go: ["go", (b, url) => `package main\n\nimport (\n\t"bytes"\n\t"fmt"\n\t"io"\n\t"net/http"\n\t"os"\n)\n\nconst body = ${goText(JSON.stringify(b, null, 1))}\n\nfunc main() {\n\treq, err := http.NewRequest("POST", "${url}/v1/chat/completions", bytes.NewBufferString(body))\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\treq.Header.Set("Content-Type", "application/json")\n\treq.Header.Set("Authorization", "Bearer "+os.Getenv("QWENVLD_API_KEY"))\n\tresp, err := http.DefaultClient.Do(req)\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\tdefer resp.Body.Close()\n\treply, err := io.ReadAll(resp.Body)\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println(resp.Status, string(reply))\n}\n`],
};

const goText = (text) => (text.includes("`") ? JSON.stringify(text) : "`" + text + "`");

// snippet writes a body in one of the languages; whole keeps pictures in it.
export function snippet(name, body, { whole = false } = {}) {
  return writers[name][1](whole ? body : brief(body), location.origin);
}

// Code is the panel of snippets. bodyNow gives the body that would be sent.
export class Code {
  constructor(bodyNow) {
    this.bodyNow = bodyNow;
    this.language = "curl";
    this.code = h("code");
    this.tabs = Object.keys(writers).map((name) => h("button.chip", {
      type: "button", "aria-pressed": String(name === this.language), onclick: () => {
        this.language = name;
        this.show();
      },
    }, name));
    this.node = h(
      "div.code-panel", h("div.chips", { role: "group", "aria-label": t("code.language") }, this.tabs),
      h("div.code-frame",
        h("div.code-bar", h("span", t("code.brief")), h("button.text-button", { type: "button", onclick: () => this.copyWhole() }, t("copy"))),
        h("pre", { tabIndex: 0 }, this.code)),
    );
  }

  copyWhole() {
    copy(snippet(this.language, this.bodyNow(), { whole: true }), t("copied"));
  }

  show() {
    for (const tab of this.tabs) tab.setAttribute("aria-pressed", String(tab.textContent === this.language));
    let text;
    try {
      text = snippet(this.language, this.bodyNow());
    } catch (e) {
      text = e.message;
    }
    this.code.textContent = text;
    highlight(this.code, text, writers[this.language][0]);
  }
}
