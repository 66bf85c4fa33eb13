// Keeps what a person has chosen in this browser. The API key is kept apart, for this tab alone.

const NAME = "qwenvld.settings";
const KEY = "qwenvld.key";

const defaults = {
  language: "", theme: "auto", quality: 5, effort: "", mode: "auto", system: "", temperature: "", top_p: "", max_tokens: "",
  seed: "", presence_penalty: "", tools: "", schema: "", max_pixels: 0, fps: 2, grounding: false, inspector: true,
};

let values = { ...defaults };
try {
  values = { ...defaults, ...JSON.parse(localStorage.getItem(NAME) || "{}") };
} catch {
  // A browser that keeps nothing, or what it kept is damaged: begin anew.
}

const listeners = new Set();

export const settings = new Proxy(values, {
  set(target, name, value) {
    if (target[name] === value) return true;
    target[name] = value;
    try {
      localStorage.setItem(NAME, JSON.stringify(target));
    } catch {
      // It holds for as long as the page is open.
    }
    for (const f of listeners) f(name, value);
    return true;
  },
});

// onChange has f called with the name and value of each setting that changes.
export function onChange(f) {
  listeners.add(f);
}

let key = "";
try {
  key = sessionStorage.getItem(KEY) || "";
} catch {
  // as above
}

export function apiKey() {
  return key;
}

// setKey remembers the key until this tab is closed; other tabs and the disk do not get it.
export function setKey(value) {
  key = value.trim();
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // as above
  }
}
