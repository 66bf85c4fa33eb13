// Makes elements. Text stays text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

// h makes an element: h("p.note", {onclick: f, hidden: true}, "text", other).
export function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  if (rest[0] && typeof rest[0] === "object" && !(rest[0] instanceof Node) && !Array.isArray(rest[0])) assign(node, rest.shift());
  node.append(...rest.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

function assign(node, props) {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className += (node.className ? " " : "") + value;
    else if (key.startsWith("--")) node.style.setProperty(key, value);
    else if (key in node && !key.includes("-") && key !== "list" && key !== "form") node[key] = value;
    else if (value !== false) node.setAttribute(key, value === true ? "" : value);
  }
}

// svg makes an element of a drawing.
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const PATHS = {
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M9 9.5a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0z",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  pen: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  menu: "M4 7h16M4 12h16M4 17h16",
  panel: "M4 5h16v14H4zM15 5v14",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.5 1.5M16.9 16.9l1.5 1.5M18.4 5.6l-1.5 1.5M7.1 16.9l-1.5 1.5",
  key: "M15 13a4 4 0 1 0-3.9-3L4 17v3h3l1-1v-2h2l2.500-2.500",
  copy: "M9 9h10v10H9zM5 15V5h10",
  retry: "M5 12a7 7 0 1 1 2 5M5 17v-4h4",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 13h8l1-13",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 13l4 4L19 7",
  down: "M6 9l6 6 6-6",
  go: "M5 12h14M13 6l6 6-6 6",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  brain: "M9 4a3 3 0 0 0-3 3 3 3 0 0 0-2 5 3 3 0 0 0 2 5 3 3 0 0 0 6 1V6a2 2 0 0 0-3-2zM15 4a3 3 0 0 1 3 3 3 3 0 0 1 2 5 3 3 0 0 1-2 5 3 3 0 0 1-6 1",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  columns: "M4 5h7v14H4zM13 5h7v14h-7z",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 10h4M4 15h4M16 10h4M16 15h4",
  box: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 9h6v6H9z",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 8v.01",
};

// icon draws one of the small pictures of buttons, which say nothing to a screen reader.
export function icon(name) {
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, svg("path", { d: PATHS[name] || "" }));
}

// iconButton is a button that shows a picture and says its label to those who cannot see it.
export function iconButton(name, label, onclick, more = {}) {
  return h("button.icon-button", { type: "button", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

// announce tells screen readers what happened elsewhere on the page.
export function announce(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

let noteTimer = 0;

// note shows a short message for a while.
export function note(text, kind = "") {
  const box = document.getElementById("note");
  box.textContent = text;
  box.className = "note-toast shown " + kind;
  clearTimeout(noteTimer);
  noteTimer = setTimeout(() => box.classList.remove("shown"), 5000);
  announce(text);
}

// download hands a text or a blob to the person as a file.
export function download(name, content, type = "application/json") {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

// copy puts a text on the clipboard.
export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP on another host than this machine has no clipboard API.
    const area = h("textarea", { value: text, class: "offscreen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  note(done);
}
