// Is the panel in which a person says how answers are made.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { settings } from "./settings.js";

function field(label, name, input, hint) {
  const id = "option-" + name;
  input.id = id;
  input.value = settings[name];
  input.addEventListener("input", () => (settings[name] = input.value));
  return h("div.field", h("label", { htmlFor: id }, label), input, hint ? h("p.hint", hint) : null);
}

const digits = (step, min, max) => h("input", { type: "number", step, min, max, placeholder: t("option.default") });

// checked marks a text that is no JSON.
function jsonField(label, name, hint, placeholder) {
  const input = h("textarea", { rows: 5, spellcheck: false, class: "mono", placeholder });
  const box = field(label, name, input, hint);
  const problem = h("p.problem", { role: "alert" });
  const check = () => {
    problem.textContent = "";
    if (!input.value.trim()) return;
    try {
      JSON.parse(input.value);
    } catch (e) {
      problem.textContent = e.message;
    }
  };
  input.addEventListener("input", check);
  check();
  box.append(problem);
  return box;
}

// options is the whole panel.
export function options() {
  return h(
    "div.options",
    field(t("option.system"), "system", h("textarea", { rows: 3 })),
    h("div.field-row",
      field(t("option.temperature"), "temperature", digits(0.1, 0, 2)),
      field(t("option.top_p"), "top_p", digits(0.05, 0, 1)),
      field(t("option.presence"), "presence_penalty", digits(0.1, -2, 2))),
    h("div.field-row",
      field(t("option.max_tokens"), "max_tokens", digits(1, 1, 262144)),
      field(t("option.seed"), "seed", digits(1, 0, 1e15)),
      field(t("option.fps"), "fps", digits(0.5, 0.1, 30))),
    jsonField(t("option.tools"), "tools", t("option.tools.hint"), '[{"type": "function", "function": {"name": "…", "parameters": {…}}}]'),
    jsonField(t("option.schema"), "schema", t("option.schema.hint"), '{"type": "object", "properties": {…}}'),
  );
}
