// Chooses the language of the interface. English stands in for what a language lacks.

import { en } from "../lang/en.js";
import { settings } from "./settings.js";

export const LANGUAGES = { en: "English", ko: "한국어", zh: "中文", ja: "日本語" };

let words = en;

// load brings in the language that was chosen, or the browser's.
export async function load() {
  const wanted = settings.language || (navigator.languages || [navigator.language]).map((l) => l.slice(0, 2)).find((l) => l in LANGUAGES) || "en";
  const name = wanted in LANGUAGES ? wanted : "en";
  const module = await import(`../lang/${name}.js`);
  words = { ...en, ...module[name] };
  document.documentElement.lang = name;
  return name;
}

// t is a text of the interface, with {names} filled in.
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// number writes a number as people of the language do.
export function number(n, digits = 0) {
  return new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }).format(n);
}

// seconds writes a time.
export function seconds(s) {
  if (s < 1) return number(Math.round(s * 1000)) + " ms";
  return number(s, s < 10 ? 1 : 0) + " s";
}
