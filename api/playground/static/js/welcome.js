// Is what an empty conversation shows: what can be asked, with the demo pair its sample pictures and questions.

import { getJSON } from "./api.js";
import { h, icon } from "./dom.js";
import { openDrawing } from "./draw.js";
import { t } from "./i18n.js";
import { asFrames, fromURL } from "./media.js";

// mediaOf are the media of a sample's request.
async function mediaOf(request) {
  const content = request.messages.at(-1).content;
  if (typeof content === "string") return { text: content, media: [] };
  const media = [];
  let text = "";
  for (const part of content) {
    if (part.type === "text") text = part.text;
    else if (part.type === "image_url") media.push(await fromURL(part.image_url.url, t("sample.picture")));
    else if (part.type === "video_url") media.push({ kind: "video", url: part.video_url.url, name: t("sample.video") });
    else if (part.type === "video") media.push(asFrames(await Promise.all(part.video.map((url, i) => fromURL(url, String(i)))), part.fps || 2));
  }
  return { text, media };
}

// welcome makes it; ask puts a question into the composer.
export async function welcome(ask) {
  const samples = await getJSON("/playground/samples.json").catch(() => []);
  const grid = h("ul.samples");
  const drawTile = h("li", h("button.sample.draw-tile", {
    type: "button", onclick: () => openDrawing((m) => ask(t("draw.question"), [m])),
  }, h("span.sample-picture", icon("pen")), h("span.sample-title", t("draw")), h("span.sample-ask", t("draw.invite"))));
  grid.append(drawTile);
  for (const sample of samples) {
    const { text, media } = await mediaOf(sample.request);
    const first = media[0];
    const picture = !first ? icon("edit") : first.kind === "video" ? icon("film") : h("img", { src: first.url, alt: "" });
    grid.append(h("li", h("button.sample", { type: "button", onclick: () => ask(text, media) },
      h("span.sample-picture", picture), h("span.sample-title", sample.title), h("span.sample-ask", text))));
  }
  return h("section.welcome", h("h2", t("welcome")), h("p", t(samples.length ? "welcome.demo" : "welcome.text")), grid);
}
