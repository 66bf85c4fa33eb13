// Puts the page together.

import { getJSON } from "./api.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { announce, h, icon, note } from "./dom.js";
import { header } from "./header.js";
import { load, t } from "./i18n.js";
import { Inspector } from "./inspector.js";
import { body } from "./request.js";
import { Live } from "./route.js";
import { settings } from "./settings.js";
import { Shelf } from "./shelf.js";
import { welcome } from "./welcome.js";

// Page is everything on it.
class Page {
  constructor() {
    this.model = "qwen3-vl";
    this.models = [];
    this.lastAnswer = null;
    this.log = h("div.log", { role: "log", "aria-label": t("log"), "aria-live": "off" });
    this.start = h("div.start");
    this.scroller = h("div.scroller", { tabIndex: -1 }, this.start, this.log);
    const model = () => this.model;
    const turns = () => this.turnsWithPending();
    this.live = new Live({ model, turns: () => this.pendingTurns() });
    this.inspector = new Inspector({ model, turns, body: () => body(turns() ?? [{ role: "user", text: t("example.question") }], { model: this.model, variant: this.variant() }) });
    this.composer = new Composer({
      send: (text, media) => this.conversation.send(text, media),
      stop: () => this.conversation.stop(),
      changed: () => this.pendingChanged(),
    });
    this.shelf = new Shelf({ open: (c) => this.open(c), current: () => this.conversation?.data });
    this.conversation = new Conversation(this.log, {
      model,
      changed: () => this.conversationChanged(),
      saved: () => this.shelf.refresh(),
      answered: (answer) => {
        this.lastAnswer = answer;
        this.inspector.explain(answer);
      },
      why: (answer) => {
        this.lastAnswer = answer;
        this.inspector.explain(answer);
        this.inspector.open("route");
      },
      edit: (turn) => this.edit(turn),
    });
    this.header = header(this);
    this.node = this.layout();
  }

  layout() {
    const main = h("main.main", { id: "main" }, this.scroller, h("div.dock", this.live.node, this.composer.node));
    this.composer.dropOn(main);
    main.append(h("div.drop-hint", { "aria-hidden": "true" }, icon("image"), t("drop")));
    return [
      h("a.skip", { href: "#composer-input" }, t("skip")), this.header.node,
      h("div.body", this.shelf.node, main, this.inspector.node),
    ];
  }

  variant() {
    return settings.mode === "auto" || settings.mode === "both" ? "" : settings.mode;
  }

  // pendingTurns are the turns with what is being written, null where nothing is.
  pendingTurns() {
    const pending = this.composer?.pending();
    return pending ? [...this.conversation.data.turns, pending] : null;
  }

  // turnsWithPending are those with what is written, or without it; null where there are none.
  turnsWithPending() {
    const pending = this.pendingTurns();
    if (pending) return pending;
    return this.conversation && !this.conversation.empty ? this.conversation.data.turns : null;
  }

  pendingChanged() {
    this.live.ask();
    this.inspector.changed();
  }

  conversationChanged() {
    if (!this.conversation) return;
    this.start.hidden = !this.conversation.empty;
    this.composer.busy(this.conversation.running);
    this.inspector.changed();
    this.shelf.mark();
  }

  open(data) {
    this.conversation.open(data);
    this.conversationChanged();
    this.shelf.close();
    this.composer.input.focus();
  }

  edit(turn) {
    if (this.conversation.running) return;
    this.composer.set(turn.text, turn.media || []);
    this.conversation.drop(turn);
    this.conversationChanged();
    this.conversation.refresh();
  }

  async learn() {
    try {
      const list = (await getJSON("/v1/models")).data;
      this.models = list;
      this.model = list[0].id;
      this.header.tell(list[0]);
    } catch (e) {
      this.header.tell(null, e);
      if (e.status === 401) this.header.askKey();
    }
  }

  async begin() {
    document.getElementById("app").replaceChildren(...this.node);
    this.start.append(await welcome((text, media) => this.composer.set(text, media)));
    this.conversationChanged();
    await this.learn();
    await this.shelf.refresh();
    if (!matchMedia("(max-width: 700px)").matches) this.composer.input.focus();
    announce(t("ready"));
  }
}

function theme() {
  document.documentElement.dataset.theme = settings.theme;
}

theme();
await load();
document.title = t("title");
const page = new Page();
await page.begin();

// What nobody caught is told, since a page that does nothing says nothing.
addEventListener("unhandledrejection", (e) => note(String(e.reason?.message ?? e.reason), "bad"));
