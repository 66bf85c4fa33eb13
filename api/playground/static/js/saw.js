// Shows what became of pictures and videos before the model saw them: sizes, tokens, and the frames with their times.

import { postJSON } from "./api.js";
import { h, note } from "./dom.js";
import { number, t } from "./i18n.js";
import { blobURL } from "./media.js";
import { body } from "./request.js";
import { onChange, settings } from "./settings.js";

const patience = 350; // ms

// LIMITS are the steps of the slider, in pixels; 0 leaves it to the server.
const LIMITS = [0, 4096, 9216, 16384, 36864, 65536, 147456, 262144, 589824, 1048576, 2359296, 4194304, 16777216];

// Saw is the panel.
export class Saw {
  // turns gives the conversation with what is being written.
  constructor({ model, turns }) {
    this.model = model;
    this.turns = turns;
    this.list = h("div.saw-list");
    this.limit = h("input", {
      type: "range", min: 0, max: LIMITS.length - 1, step: 1, id: "max-pixels", value: Math.max(0, LIMITS.indexOf(settings.max_pixels)),
      oninput: () => (settings.max_pixels = LIMITS[Number(this.limit.value)]),
    });
    this.limitText = h("output", { htmlFor: "max-pixels" });
    this.total = h("p.saw-total");
    this.node = h(
      "div.saw", h("p.hint", t("saw.hint")),
      h("div.field", h("label", { htmlFor: "max-pixels" }, t("saw.limit")), h("div.slider-row", this.limit, this.limitText)),
      this.total, this.list,
    );
    this.visible = false;
    this.timer = 0;
    onChange((name) => {
      if (name === "max_pixels" || name === "fps") this.ask();
    });
    this.showLimit();
  }

  showLimit() {
    this.limitText.textContent = settings.max_pixels ? t("saw.pixels", { n: number(settings.max_pixels) }) : t("saw.nolimit");
  }

  // ask counts soon, unless it is asked again before; not at all while nobody looks.
  ask() {
    this.showLimit();
    clearTimeout(this.timer);
    if (this.visible) this.timer = setTimeout(() => this.count(), patience);
  }

  async count() {
    const turns = this.turns();
    const media = (turns ?? []).flatMap((turn) => turn.media ?? []);
    if (!media.length) {
      this.total.textContent = "";
      this.list.replaceChildren(h("p.empty", t("saw.none")));
      return;
    }
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      const answer = await postJSON("/v1/chat/completions/input_tokens", body(turns, { model: this.model() }), this.abort.signal);
      this.show(media, answer);
    } catch (e) {
      if (e.name === "AbortError") return;
      this.list.replaceChildren(h("p.error", { role: "alert" }, e.message));
    }
  }

  show(media, answer) {
    const details = answer.input_tokens_details;
    this.total.textContent = t("saw.total", { all: number(answer.input_tokens), media: number(details.image_tokens + details.video_tokens) });
    const images = [...(answer.images ?? [])], videos = [...(answer.videos ?? [])];
    this.list.replaceChildren(...media.map((m) => (m.kind === "image" ? picture(m, images.shift()) : film(m, videos.shift()))));
  }
}

function rows(pairs) {
  return h("dl.rows", pairs.map(([name, value]) => [h("dt", name), h("dd", value)]));
}

const size = (w, ht) => `${w} × ${ht}`;

function picture(m, seen) {
  const canvas = h("canvas.saw-picture", { role: "img", "aria-label": t("saw.as", { name: m.name }) });
  if (seen) draw(canvas, m.url, seen);
  return h("section.saw-item", canvas, seen
    ? rows([
      [t("saw.original"), size(seen.width, seen.height)], [t("saw.resized"), size(seen.resized_width, seen.resized_height)],
      [t("saw.tokens"), number(seen.tokens)],
    ])
    : h("p.quiet", m.name));
}

// draw shows the picture as small as the model sees it, with the squares that become a token each.
function draw(canvas, url, seen) {
  const image = new Image();
  image.onload = () => {
    canvas.width = seen.resized_width;
    canvas.height = seen.resized_height;
    const c = canvas.getContext("2d");
    c.drawImage(image, 0, 0, canvas.width, canvas.height);
    const edge = Math.sqrt((canvas.width * canvas.height) / seen.tokens);
    if (canvas.width / edge > 64) return; // too fine to see
    c.strokeStyle = "rgba(90,90,130,0.45)";
    c.lineWidth = Math.max(0.5, canvas.width / 600);
    c.beginPath();
    for (let x = edge; x < canvas.width - 1; x += edge) {
      c.moveTo(x, 0);
      c.lineTo(x, canvas.height);
    }
    for (let y = edge; y < canvas.height - 1; y += edge) {
      c.moveTo(0, y);
      c.lineTo(canvas.width, y);
    }
    c.stroke();
  };
  image.src = url;
}

function film(m, seen) {
  const strip = h("ol.strip", { tabIndex: 0, "aria-label": t("saw.strip") });
  if (seen) {
    const frames = m.kind === "frames" ? framesOf(m, seen) : grab(m, seen);
    frames.then((all) => strip.replaceChildren(...all.map((f, i) => h(
      "li", { class: i % 2 ? "second" : "first" }, f.canvas, i % 2 ? null : h("span.stamp", seen.timestamps[i / 2] ?? ""),
    )))).catch((e) => note(e.message, "bad"));
  }
  return h("section.saw-item", strip, seen
    ? rows([
      [t("saw.original"), size(seen.width, seen.height)], [t("saw.resized"), size(seen.resized_width, seen.resized_height)],
      [t("saw.frames"), number(seen.frame_times.length)], [t("saw.tokens"), number(seen.tokens)],
    ])
    : h("p.quiet", m.name));
}

const smallWidth = 112;

function small(source, seen) {
  const canvas = h("canvas", { width: smallWidth, height: Math.round((smallWidth * seen.resized_height) / seen.resized_width) });
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return { canvas };
}

async function framesOf(m, seen) {
  const out = [];
  for (const url of m.frames) {
    const image = new Image();
    image.src = url;
    await image.decode();
    out.push(small(image, seen));
  }
  return out;
}

// grab takes the frames that the server chose out of the video.
async function grab(m, seen) {
  const video = h("video", { src: blobURL(m.url), muted: true, preload: "auto" });
  await new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = () => reject(new Error(t("saw.noplay")));
  });
  const out = [];
  for (const time of seen.frame_times.slice(0, 64)) {
    await new Promise((resolve) => {
      video.onseeked = resolve;
      video.currentTime = Math.min(time + 0.001, Math.max(0, video.duration - 0.01));
    });
    out.push(small(video, seen));
  }
  return out;
}
