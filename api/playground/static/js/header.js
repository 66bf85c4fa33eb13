// Is the bar at the top: the model and how it is, language, colours, and the API key.

import { h, iconButton } from "./dom.js";
import { LANGUAGES, t } from "./i18n.js";
import { apiKey, setKey, settings } from "./settings.js";

// header makes the bar for a page.
export function header(page) {
  const state = h("span.state", { role: "status" }, h("span.state-dot"), h("span.state-text", t("connecting")));
  const language = h("select.language", {
    "aria-label": t("language"), title: t("language"),
    onchange: () => {
      settings.language = language.value;
      location.reload();
    },
  }, Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code }, name)));
  language.value = document.documentElement.lang;
  const themes = ["auto", "light", "dark"];
  const themeButton = iconButton("sun", t("theme." + settings.theme), () => {
    settings.theme = themes[(themes.indexOf(settings.theme) + 1) % themes.length];
    document.documentElement.dataset.theme = settings.theme;
    const label = t("theme." + settings.theme);
    themeButton.title = label;
    themeButton.setAttribute("aria-label", label);
  });
  const node = h(
    "header.top",
    iconButton("menu", t("conversations"), () => page.shelf.toggle(), { class: "narrow-only" }),
    h("h1.brand", h("img", { src: "/playground/icon.svg", alt: "" }), "qwenvld"),
    state, h("span.spacer"), h("a.top-link", { href: "/docs" }, t("docs")), language, themeButton,
    iconButton("key", t("key"), () => askKey()),
    iconButton("panel", t("inspector"), () => page.inspector.toggle()),
  );

  // askKey asks for the API key; a page without it can only be looked at.
  function askKey() {
    const input = h("input", { type: "password", autocomplete: "off", value: apiKey(), id: "key-input", spellcheck: false });
    const dialog = h(
      "dialog.small", { "aria-labelledby": "key-title", onclose: () => dialog.remove() },
      h("form", { method: "dialog", onsubmit: () => { setKey(input.value); page.learn(); } },
        h("h2", { id: "key-title" }, t("key")), h("p.quiet", t("key.hint")), h("label", { htmlFor: "key-input" }, t("key.label")), input,
        h("div.dialog-actions", h("button.text-button", { type: "button", onclick: () => dialog.close() }, t("cancel")), h("button.primary", { type: "submit" }, t("key.use")))),
    );
    document.body.append(dialog);
    dialog.showModal();
  }

  // tell shows a model, or why there is none.
  function tell(model, error) {
    const ready = model?.variants?.filter((v) => v.loaded) ?? [];
    state.className = "state " + (error ? "bad" : ready.length === model.variants.length ? "good" : "partly");
    const text = error ? error.message : `${model.id} · ${ready.length ? ready.map((v) => t("variant." + v.variant)).join(" + ") : t("loading")}`;
    state.querySelector(".state-text").textContent = text;
    state.title = text;
    if (!error && ready.length < model.variants.length) setTimeout(() => page.learn(), 2000);
  }

  return { node, tell, askKey };
}
