// Is the side panel with its tabs.

import { h, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { options } from "./options.js";
import { explain } from "./route.js";
import { Saw } from "./saw.js";
import { Server } from "./server.js";
import { settings } from "./settings.js";
import { Code } from "./snippets.js";

const NAMES = ["route", "saw", "options", "code", "server"];

// Inspector owns the tabs. Only the one that is seen works.
export class Inspector {
  constructor({ model, turns, body }) {
    this.saw = new Saw({ model, turns });
    this.server = new Server({ model });
    this.code = new Code(body);
    this.why = h("div", explain(null));
    const content = { route: this.why, saw: this.saw.node, options: options(), code: this.code.node, server: this.server.node };
    this.tabs = {};
    this.panels = {};
    for (const name of NAMES) {
      this.tabs[name] = h("button.tab", {
        type: "button", role: "tab", id: "tab-" + name, "aria-controls": "panel-" + name, onclick: () => this.show(name), onkeydown: (e) => this.key(e, name),
      }, t("tab." + name));
      this.panels[name] = h("div.panel", { role: "tabpanel", id: "panel-" + name, "aria-labelledby": "tab-" + name, tabIndex: 0 }, content[name]);
    }
    this.node = h(
      "aside.inspector", { "aria-label": t("inspector") },
      h("div.inspector-head", h("div.tabs", { role: "tablist", "aria-label": t("inspector") }, NAMES.map((n) => this.tabs[n])), iconButton("close", t("close"), () => this.toggle(false), { class: "narrow-only" })),
      NAMES.map((n) => this.panels[n]),
    );
    this.narrow = matchMedia("(max-width: 1100px)");
    // On a small screen the panel would cover what one reads.
    this.narrow.addEventListener("change", () => this.toggle(settings.inspector && !this.narrow.matches, false));
    this.shown = "route";
    this.toggle(settings.inspector && !this.narrow.matches, false);
    this.show("route");
  }

  key(e, name) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const next = NAMES[(NAMES.indexOf(name) + step + NAMES.length) % NAMES.length];
    this.show(next);
    this.tabs[next].focus();
  }

  // toggle shows or hides the panel.
  toggle(on = this.node.hidden, remember = true) {
    this.node.hidden = !on;
    if (remember && !this.narrow.matches) settings.inspector = on;
    this.wake();
  }

  open(name) {
    this.toggle(true);
    this.show(name);
  }

  show(name) {
    this.shown = name;
    for (const n of NAMES) {
      const on = n === name;
      this.tabs[n].setAttribute("aria-selected", String(on));
      this.tabs[n].tabIndex = on ? 0 : -1;
      this.panels[n].hidden = !on;
    }
    this.wake();
  }

  // wake has the panel that is seen do its work, and the others rest.
  wake() {
    const seen = (name) => !this.node.hidden && this.shown === name;
    this.saw.visible = seen("saw");
    this.server.visible = seen("server");
    if (seen("saw")) this.saw.ask();
    if (seen("server")) this.server.look();
    if (seen("code")) this.code.show();
  }

  // changed is called when another request would be sent.
  changed() {
    this.saw.ask();
    if (!this.node.hidden && this.shown === "code") this.code.show();
  }

  explain(answer) {
    this.why.replaceChildren(explain(answer));
  }
}
