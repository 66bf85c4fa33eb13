// Is where a person writes, and brings pictures and videos in.

import { h, icon, iconButton, note } from "./dom.js";
import { openDrawing } from "./draw.js";
import { t } from "./i18n.js";
import { asFrames, fromFiles } from "./media.js";
import { thumbnail } from "./message.js";
import { settings } from "./settings.js";

// Composer is the form below the log.
export class Composer {
  // hooks are send(text, media), stop(), changed().
  constructor(hooks) {
    this.hooks = hooks;
    this.media = [];
    this.attachments = h("ul.attachments", { "aria-label": t("attachments") });
    this.input = h("textarea", {
      id: "composer-input", rows: 1, placeholder: t("composer.placeholder"), "aria-label": t("composer.placeholder"),
      oninput: () => this.changed(), onbeforeinput: (e) => this.beforeInput(e), onkeydown: (e) => this.key(e), onpaste: (e) => this.paste(e),
    });
    this.file = h("input", { type: "file", accept: "image/*,video/*", multiple: true, hidden: true, onchange: () => this.choose(this.file) });
    this.photo = h("input", { type: "file", accept: "image/*", hidden: true, onchange: () => this.choose(this.photo) });
    this.photo.setAttribute("capture", "environment");
    this.submit = h("button.send", { type: "submit", "aria-label": t("send"), title: t("send") }, icon("send"));
    this.mode = select(t("mode"), "mode", ["auto", "instruct", "thinking", "both"].map((m) => [m, t("mode." + m)]));
    this.effort = select(t("effort"), "effort", ["", "none", "minimal", "low", "medium", "high", "xhigh"].map((e) => [e, t("effort." + (e || "auto"))]));
    this.node = h(
      "form.composer", { onsubmit: (e) => this.send(e), "aria-label": t("composer") },
      this.attachments, this.input,
      h("div.tools",
        iconButton("image", t("attach"), () => this.file.click()), iconButton("camera", t("camera"), () => this.photo.click()),
        iconButton("pen", t("draw"), () => openDrawing((m) => this.add([m]))),
        this.boxesChip(), h("span.spacer"), this.mode, this.effort, this.submit),
      this.file, this.photo,
    );
    this.busy(false);
    this.drawAttachments();
  }

  boxesChip() {
    const chip = h("button.chip", {
      type: "button", "aria-pressed": String(settings.grounding), title: t("grounding.hint"),
      onclick: () => {
        settings.grounding = !settings.grounding;
        chip.setAttribute("aria-pressed", String(settings.grounding));
      },
    }, icon("box"), t("grounding"));
    return chip;
  }

  // dropOn lets files be dropped anywhere on node.
  dropOn(node) {
    node.addEventListener("dragover", (e) => {
      e.preventDefault();
      node.classList.add("dropping");
    });
    node.addEventListener("dragleave", (e) => {
      if (!node.contains(e.relatedTarget)) node.classList.remove("dropping");
    });
    node.addEventListener("drop", (e) => {
      e.preventDefault();
      node.classList.remove("dropping");
      this.bring([...e.dataTransfer.files]);
    });
  }

  async choose(input) {
    await this.bring([...input.files]);
    input.value = "";
  }

  async bring(files) {
    if (!files.length) return;
    try {
      this.add(await fromFiles(files));
    } catch (e) {
      note(e.message, "bad");
    }
  }

  add(media) {
    this.media.push(...media);
    this.drawAttachments();
    this.changed();
    this.input.focus();
  }

  paste(e) {
    const files = [...e.clipboardData.files];
    if (!files.length) return;
    e.preventDefault();
    this.bring(files);
  }

  key(e) {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      this.sent = true;
      this.node.requestSubmit();
    } else this.sent = false;
  }

  // beforeInput keeps the line break out that some keyboards send beside the key that sends the message.
  beforeInput(e) {
    if (e.inputType === "insertLineBreak" && this.sent) e.preventDefault();
    this.sent = false;
  }

  changed() {
    this.input.style.height = "auto";
    this.input.style.height = Math.min(this.input.scrollHeight, 220) + "px";
    this.hooks.changed();
  }

  // set puts a question in, as of a sample or a turn that is edited.
  set(text, media) {
    this.input.value = text;
    this.media = [...media];
    this.drawAttachments();
    this.changed();
    this.input.focus();
  }

  // pending is what has been written as a turn, null where there is nothing.
  pending() {
    const text = this.input.value.trim();
    return text || this.media.length ? { role: "user", text, media: this.media } : null;
  }

  send(e) {
    e.preventDefault();
    if (this.isBusy) {
      this.hooks.stop();
      return;
    }
    const turn = this.pending();
    if (!turn) return;
    this.media = [];
    this.input.value = "";
    this.drawAttachments();
    this.changed();
    this.hooks.send(turn.text, turn.media);
  }

  busy(on) {
    this.isBusy = on;
    this.submit.replaceChildren(icon(on ? "stop" : "send"));
    this.submit.setAttribute("aria-label", t(on ? "stop" : "send"));
    this.submit.title = t(on ? "stop" : "send");
    this.submit.classList.toggle("busy", on);
  }

  drawAttachments() {
    this.attachments.hidden = this.media.length === 0;
    const items = this.media.map((m, i) => h(
      "li", thumbnail(m),
      h("span.attachment-size", m.width ? `${m.width} × ${m.height}` : m.name),
      iconButton("close", t("remove", { name: m.name }), () => {
        this.media.splice(i, 1);
        this.drawAttachments();
        this.changed();
      }),
    ));
    const images = this.media.filter((m) => m.kind === "image");
    if (images.length > 2 && images.length === this.media.length) {
      items.push(h("li", h("button.pill-button", {
        type: "button", onclick: () => {
          this.media = [asFrames(images, Number(settings.fps) || 2)];
          this.drawAttachments();
          this.changed();
        },
      }, icon("film"), t("media.asframes"))));
    }
    this.attachments.replaceChildren(...items);
  }
}

function select(label, name, options) {
  const box = h("select", { "aria-label": label, title: label, onchange: () => (settings[name] = box.value) }, options.map(([value, text]) => h("option", { value }, text)));
  box.value = settings[name];
  return box;
}
