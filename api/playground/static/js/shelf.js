// Lists the conversations that this browser keeps.

import { download, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { conversations, removeConversation, votes } from "./store.js";
import { exportVotes } from "./vote.js";

// Shelf is the list at the side.
export class Shelf {
  // hooks are open(conversation or null), current().
  constructor(hooks) {
    this.hooks = hooks;
    this.list = h("ul.shelf-list");
    this.votes = h("button.text-button", { type: "button", onclick: () => exportVotes() }, t("vote.export", { n: 0 }));
    this.node = h(
      "nav.shelf", { "aria-label": t("conversations") },
      h("button.new-chat", { type: "button", onclick: () => this.hooks.open(null) }, icon("plus"), t("new")),
      this.list,
      h("div.shelf-foot",
        h("button.text-button", { type: "button", onclick: () => this.exportCurrent() }, t("export")), this.votes, h("p.hint", t("private"))),
    );
  }

  toggle() {
    this.node.classList.toggle("open");
  }

  close() {
    this.node.classList.remove("open");
  }

  async refresh() {
    const all = await conversations();
    this.list.replaceChildren(...all.map((c) => h(
      "li", { class: "shelf-item" },
      h("button.shelf-open", { type: "button", onclick: () => this.hooks.open(structuredClone(c)) }, c.title || t("untitled")),
      iconButton("trash", t("delete", { name: c.title || t("untitled") }), async () => {
        await removeConversation(c.id);
        if (this.hooks.current()?.id === c.id) this.hooks.open(null);
        await this.refresh();
      }),
    )));
    this.items = all.map((c) => c.id);
    this.votes.textContent = t("vote.export", { n: (await votes()).length });
    this.mark();
  }

  // mark shows which conversation is open.
  mark() {
    const id = this.hooks.current()?.id;
    [...this.list.children].forEach((li, i) => {
      if (this.items[i] === id) li.firstChild.setAttribute("aria-current", "true");
      else li.firstChild.removeAttribute("aria-current");
    });
  }

  exportCurrent() {
    const c = this.hooks.current();
    if (c) download(`conversation-${new Date(c.updated).toISOString().slice(0, 10)}.json`, JSON.stringify(c, null, 1));
  }
}
