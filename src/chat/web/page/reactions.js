import { el } from "./dom.js";

/** Emoji and what each means on a message: the same names and the same decisions as in Slack. */
const GLYPHS = { "+1": "👍", "-1": "👎", large_yellow_circle: "🟡", mute: "🔇", white_check_mark: "✅", no_entry: "⛔" };

/** What a message can be reacted to with; empty for those on which an emoji means nothing. */
export function reactionsFor(card, emoji) {
  if (!card || !emoji) return [];
  if (card.kind === "proposal" && card.buttons.length > 0) {
    const tier = card.buttons.find(({ type }) => type === "approve")?.tier;
    return emoji.tiers.includes(tier)
      ? [
          [emoji.approve, "approve"],
          [emoji.deny, "deny"],
        ]
      : [];
  }
  if (card.kind !== "investigation" || !card.feedback) return [];
  const seen = new Set();
  return Object.entries(emoji.verdicts).filter(([, verdict]) => !seen.has(verdict) && seen.add(verdict));
}

/** A button that opens the choice of reactions; null where there is none. */
export function reactButton(message, emoji, react) {
  const choices = reactionsFor(message.card, emoji);
  if (choices.length === 0) return null;
  const menu = el(
    "span",
    { class: "reactions", role: "group", "aria-label": "Reactions", hidden: true },
    choices.map(([name, meaning]) =>
      el(
        "button",
        {
          type: "button",
          class: "reaction",
          title: meaning,
          "aria-label": `React: ${meaning}`,
          "data-testid": `react-${meaning}`,
          onclick: () => {
            close();
            react(message, name, meaning);
          },
        },
        el("span", { "aria-hidden": "true" }, GLYPHS[name] ?? `:${name}:`),
        el("span", {}, meaning),
      ),
    ),
  );
  const opener = el(
    "button",
    { type: "button", class: "link react-button", "aria-expanded": "false", "data-testid": "react", "data-key": "react" },
    "React",
  );
  const close = () => {
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  };
  opener.addEventListener("click", () => {
    menu.hidden = !menu.hidden;
    opener.setAttribute("aria-expanded", String(!menu.hidden));
    if (!menu.hidden) menu.querySelector("button").focus();
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    close();
    opener.focus();
  });
  return el("span", { class: "react" }, opener, menu);
}
