/** Keys for hands that are on the keyboard already. None acts by itself: `a` leads to the button, a person presses it. */
export function listenToKeys({ timeline, compose, reply, react, overview, approval }) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const dialog = document.querySelector("dialog[open]");
    if (dialog && event.key !== "o") return;
    if (dialog && dialog.id !== "panel") return;
    const actions = {
      "/": compose,
      j: () => step(timeline, 1),
      k: () => step(timeline, -1),
      a: approval,
      r: () => reply(current(timeline)),
      e: () => react(current(timeline)),
      o: overview,
    };
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });
}

const all = (timeline) => [...timeline.querySelectorAll(".message")];

/** The message that has the focus, or holds it; null when none does. */
const current = (timeline) => document.activeElement?.closest?.(".message") ?? all(timeline).at(-1) ?? null;

function step(timeline, by) {
  const messages = all(timeline);
  const at = messages.indexOf(document.activeElement?.closest?.(".message"));
  const next = at === -1 ? messages.at(by > 0 ? 0 : -1) : messages[Math.min(messages.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
