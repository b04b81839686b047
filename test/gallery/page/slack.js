import { el } from "/web/dom.js";

/** Draws Block Kit close to how Slack does. Builds text nodes only, like the page does. */
export const drawBlocks = (blocks) => blocks.map(drawBlock);

const unescaped = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
const EMOJI = { white_check_mark: "✅", no_entry: "⛔" };

/** The marks of mrkdwn that our renderer writes: bold, italic, code, links, emoji. */
function mrkdwn(text) {
  return text.split(/(```[\s\S]+?```)/).flatMap((part) => {
    if (part.startsWith("```")) return [el("pre", {}, el("code", {}, unescaped(part.slice(3, -3))))];
    return part.split("\n").flatMap((line, index) => [index > 0 ? el("br") : null, ...inline(line)]);
  });
}

function inline(line) {
  const parts = line.split(/(`[^`]+`|\*[^*\s](?:[^*]*[^*\s])?\*|(?<!\w)_[^_\s](?:[^_]*[^_\s])?_(?!\w)|<https?:[^>]+>|:[a-z_]+:)/);
  return parts.map((part) => {
    if (/^`[^`]+`$/.test(part)) return el("code", {}, unescaped(part.slice(1, -1)));
    if (/^\*.+\*$/.test(part)) return el("strong", {}, unescaped(part.slice(1, -1)));
    if (/^_.+_$/.test(part)) return el("em", {}, unescaped(part.slice(1, -1)));
    const link = /^<(https?:[^|>]+)\|?([^>]*)>$/.exec(part);
    if (link) return el("a", { href: unescaped(link[1]), rel: "noreferrer" }, unescaped(link[2] || link[1]));
    const emoji = /^:([a-z_]+):$/.exec(part);
    return emoji ? (EMOJI[emoji[1]] ?? part) : unescaped(part);
  });
}

const words = (text) => (text.type === "mrkdwn" ? mrkdwn(text.text) : [text.text]);

function drawBlock(block) {
  switch (block.type) {
    case "header":
      return el("p", { class: "slack-header" }, words(block.text));
    case "divider":
      return el("hr");
    case "section":
      return el(
        "div",
        { class: "slack-section" },
        el(
          "div",
          {},
          block.text ? words(block.text) : null,
          (block.fields ?? []).map((field) => el("p", {}, words(field))),
        ),
        block.accessory ? drawElement(block.accessory) : null,
      );
    case "context":
      return el(
        "p",
        { class: "slack-context" },
        block.elements.map((element) => el("span", {}, words(element))),
      );
    case "actions":
      return el("div", { class: "slack-actions" }, block.elements.map(drawElement));
    case "context_actions":
      return el("div", { class: "slack-actions small" }, block.elements.map(drawElement));
    case "input":
      return el(
        "div",
        { class: "slack-input" },
        el(
          "p",
          { class: "slack-label" },
          block.label.text,
          block.optional ? el("span", { class: "muted" }, " (optional)") : null,
        ),
        drawElement(block.element),
      );
    case "markdown":
      return el("div", { class: "slack-section" }, block.text);
    default:
      return el("p", { class: "muted" }, block.type);
  }
}

function drawElement(element) {
  switch (element.type) {
    case "button":
      return el(
        "span",
        { class: `slack-button ${element.style ?? ""}`, title: element.confirm ? `Asks: ${element.confirm.title.text}` : null },
        element.text.text,
      );
    case "feedback_buttons":
      return [
        el("span", { class: "slack-thumb", role: "img", "aria-label": element.positive_button.text.text }, "👍"),
        el("span", { class: "slack-thumb", role: "img", "aria-label": element.negative_button.text.text }, "👎"),
      ];
    case "plain_text_input":
      return el("span", { class: `slack-field${element.multiline ? " tall" : ""}` });
    case "radio_buttons":
      return el(
        "ul",
        { class: "slack-radio" },
        element.options.map((option) => el("li", {}, option.text.text)),
      );
    default:
      return el("span", { class: "muted" }, element.type);
  }
}
