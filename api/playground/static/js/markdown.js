// Turns what a model wrote into elements. An answer is text from a stranger: raw HTML in it stays text, pictures are
// not loaded, links are only followed by a person, and whatever is made goes through the sanitizer. It must not put
// markup into the page in any other way.

import { Marked } from "../vendor/marked/marked.esm.js";
import { h, copy } from "./dom.js";
import { t } from "./i18n.js";
import { highlight } from "./highlight.js";

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (c) => escapes[c]);

const math = [
  { name: "mathBlock", level: "block", open: /\$\$|\\\[/, rule: /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])(?:\n|$)/, css: "math-block" },
  { name: "mathInline", level: "inline", open: /\$|\\\(/, rule: /^(?:\$\$([^$]+?)\$\$|\$(?!\s)((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)|\\\(([\s\S]+?)\\\))/, css: "math-inline" },
].map(({ name, level, open, rule, css }) => ({
  name,
  level,
  start: (src) => {
    const at = src.search(open);
    return at < 0 ? undefined : at;
  },
  tokenizer(src) {
    const m = rule.exec(src);
    if (m) return { type: name, raw: m[0], text: (m[1] ?? m[2] ?? m[3]).trim() };
    return undefined;
  },
  renderer: (token) => `<code class="${css}">${escape(token.text)}</code>`,
}));

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: undefined,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<span class="blocked-image">${escape(text || "")} <a href="${escape(href)}">${escape(shorten(href))}</a></span>`,
    code: ({ text, lang }) => `<pre><code class="language-${escape((lang || "").match(/^[\w+#-]*/)[0])}">${escape(text)}</code></pre>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});
marked.use({ extensions: math });

function shorten(url) {
  return url.length > 60 ? url.slice(0, 57) + "…" : url;
}

const ALLOWED = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS: [
    "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "table", "thead", "tbody", "tr", "th", "td", "span", "sub", "sup",
  ],
  ALLOWED_ATTR: ["href", "title", "start", "align", "class"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};

// Classes are those that this page's own renderers give; others could make an answer look like a part of the page.
const CLASS = /^(?:math-(?:inline|block)|blocked-image|language-[\w+#-]*)$/;

const purify = globalThis.DOMPurify;
purify.addHook("uponSanitizeAttribute", (_, data) => {
  if (data.attrName === "class" && !CLASS.test(data.attrValue)) data.keepAttr = false;
});

// clean is the only way from markup to elements.
export function clean(html) {
  return purify.sanitize(html, ALLOWED);
}

const tooLong = 400000;

// lex cuts a text into blocks. A text that is too long or too deep is one block of plain text.
function lex(text) {
  if (text.length > tooLong) return [{ type: "plain", raw: text }];
  try {
    return marked.lexer(text);
  } catch {
    return [{ type: "plain", raw: text }];
  }
}

function render(token) {
  if (token.type === "plain") return h("div.plain", token.raw);
  let fragment;
  try {
    fragment = clean(marked.parser([token]));
  } catch {
    return h("div.plain", token.raw);
  }
  const block = h("div.block");
  block.append(fragment);
  finish(block);
  return block;
}

// finish gives links, code and math what they need.
function finish(block) {
  for (const link of block.querySelectorAll("a")) {
    if (!link.hasAttribute("href")) continue;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.title = link.href;
  }
  for (const pre of block.querySelectorAll("pre")) {
    const code = pre.querySelector("code");
    const language = (code?.className || "").replace("language-", "");
    const text = code?.textContent ?? "";
    const bar = h(
      "div.code-bar",
      h("span", language || t("code.plain")),
      h("button.text-button", { type: "button", onclick: () => copy(text, t("copied")) }, t("copy")),
    );
    const frame = h("div.code-frame", bar);
    pre.replaceWith(frame);
    pre.tabIndex = 0; // it scrolls
    frame.append(pre);
    if (code) highlight(code, text, language);
  }
  for (const table of block.querySelectorAll("table")) {
    const frame = h("div.table-frame", { tabIndex: 0 });
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const source of block.querySelectorAll("code.math-inline, code.math-block")) drawMath(source);
  linkTimes(block);
}

function drawMath(source) {
  const display = source.className === "math-block";
  const out = h(display ? "div.math" : "span.math");
  try {
    globalThis.temml.render(source.textContent, out, { displayMode: display, throwOnError: true, trust: false, maxSize: [20, 20], maxExpand: 200 });
    source.replaceWith(out);
  } catch {
    // What is no math, or too much of it, stays as it was written.
  }
}

const TIME = /<(\d+(?:\.\d+)?) seconds?>/g;

// linkTimes makes buttons of the times of a video, which ask whoever listens to show that moment.
function linkTimes(block) {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) if (/<\d+(?:\.\d+)? seconds?>/.test(walker.currentNode.data)) found.push(walker.currentNode);
  for (const node of found) {
    const parts = [];
    let at = 0;
    for (const m of node.data.matchAll(TIME)) {
      parts.push(node.data.slice(at, m.index), timeButton(Number(m[1])));
      at = m.index + m[0].length;
    }
    parts.push(node.data.slice(at));
    node.replaceWith(...parts);
  }
}

function timeButton(seconds) {
  const show = (e) => e.currentTarget.dispatchEvent(new CustomEvent("video-time", { bubbles: true, detail: seconds }));
  return h("button.time", { type: "button", onclick: show, title: t("video.jump") }, `${seconds} s`);
}

// View shows a text that grows. Blocks that are complete are left as they are.
export class View {
  constructor() {
    this.node = h("div.markdown");
    this.blocks = [];
  }

  set(text) {
    const tokens = lex(text).filter((token) => token.type !== "space" && token.type !== "def");
    let same = 0;
    while (same < tokens.length && same < this.blocks.length && this.blocks[same].raw === tokens[same].raw) same++;
    for (const b of this.blocks.splice(same)) b.node.remove();
    for (const token of tokens.slice(same)) {
      const node = render(token);
      this.node.append(node);
      this.blocks.push({ raw: token.raw, node });
    }
  }
}
