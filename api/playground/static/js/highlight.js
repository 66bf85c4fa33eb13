// Colours code by what is much the same in all languages: comments, strings, numbers and words that belong to the
// language. It makes elements, never markup.

import { h } from "./dom.js";

const words = (text) => new Set(text.split(" "));

const KEYWORDS = {
  c: words("auto break case catch chan class const continue default defer delete do else enum export extends extern fallthrough final finally for from func function go goto if impl implements import in instanceof int interface let map match mod mut namespace new package private protected pub public range return select self static struct super switch template this throw throws trait try type typedef typeof union unsafe use using var virtual void where while yield async await fn string bool float double long char byte error true false null nil None undefined"),
  hash: words("and as assert async await break case class continue def del do done elif else esac except export False fi finally for from function global if import in is lambda local None nonlocal not or pass raise return set then True try unset while with yield echo"),
  sql: words("select from where and or not insert into values update set delete create table drop alter join left right inner outer on group by order having limit as distinct union all null primary key foreign references index view case when then else end SELECT FROM WHERE AND OR NOT INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE DROP ALTER JOIN LEFT RIGHT INNER OUTER ON GROUP BY ORDER HAVING LIMIT AS DISTINCT UNION ALL NULL PRIMARY KEY FOREIGN REFERENCES INDEX VIEW CASE WHEN THEN ELSE END"),
};

const FAMILY = {};
for (const name of ["javascript", "js", "jsx", "typescript", "ts", "tsx", "go", "golang", "c", "cpp", "c++", "csharp", "java", "kotlin", "swift", "rust", "rs", "php", "json", "css"]) FAMILY[name] = "c";
for (const name of ["python", "py", "bash", "sh", "shell", "zsh", "ruby", "rb", "yaml", "toml", "r"]) FAMILY[name] = "hash";
FAMILY.sql = "sql";

const STRINGS = "\"\"\"[\\s\\S]*?\"\"\"|'''[\\s\\S]*?'''|\"(?:\\\\.|[^\"\\\\\\n])*\"?|'(?:\\\\.|[^'\\\\\\n])*'?";
const NUMBERS = "\\b(?:0[xX][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\b";
const rule = (comment, strings = STRINGS) => new RegExp(`(?<comment>${comment})|(?<string>${strings})|(?<number>${NUMBERS})|(?<word>[A-Za-z_][\\w]*)`, "g");

const RULES = {
  c: () => rule("\\/\\/[^\\n]*|\\/\\*[\\s\\S]*?(?:\\*\\/|$)", STRINGS + "|`(?:\\\\.|[^`\\\\])*`?"),
  hash: () => rule("#[^\\n]*"),
  sql: () => rule("--[^\\n]*|\\/\\*[\\s\\S]*?(?:\\*\\/|$)"),
};

const longest = 50000;

// highlight fills code with the coloured text.
export function highlight(code, text, language) {
  const family = FAMILY[language.toLowerCase()];
  if (!family || text.length > longest) return;
  const parts = [];
  let at = 0;
  for (const m of text.matchAll(RULES[family]())) {
    const kind = kindOf(m, text, family);
    if (!kind) continue;
    parts.push(text.slice(at, m.index), h("span", { class: "code-" + kind }, m[0]));
    at = m.index + m[0].length;
  }
  code.replaceChildren(...parts, text.slice(at));
}

function kindOf({ groups, index, 0: all }, text, family) {
  if (groups.comment !== undefined) return "comment";
  if (groups.string !== undefined) return text[index + all.length] === ":" ? "name" : "string";
  if (groups.number !== undefined) return "number";
  if (KEYWORDS[family].has(groups.word)) return "keyword";
  return text[index + all.length] === "(" ? "name" : "";
}
