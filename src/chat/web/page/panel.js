import { duration, el } from "./dom.js";
import { get } from "./server.js";

const dialog = document.getElementById("panel");
const body = document.getElementById("panel-body");

/** What waits for you, what runs, what it was worth, and the keys: the page's App Home. `show` leads to a message. */
export async function openPanel({ me, show }) {
  body.replaceChildren(el("p", { class: "muted" }, "Looking…"));
  if (!dialog.open) dialog.showModal();
  const { ok, body: facts } = await get(`/api/home?user=${encodeURIComponent(me)}`);
  if (!dialog.open) return;
  body.replaceChildren(
    ...(ok ? drawFacts(facts, show) : [el("p", { class: "bad-text" }, facts.error ?? "That could not be read.")]),
    drawKeys(),
  );
}

function goTo(show, id) {
  dialog.close();
  show(id);
}

function drawFacts({ stopped, mind, watchedSeries, awaiting, running, figures, undelivered }, show) {
  return [
    el(
      "p",
      { class: stopped ? "bad-text" : "good-text", "data-testid": "panel-state" },
      el("strong", {}, stopped ? "Stopped. " : "Ready. "),
      stopped ? `No action runs: ${stopped}.` : `Watching ${watchedSeries} series. Mind: ${mind}.`,
    ),
    ...undelivered.map(({ surface, count, reason }) =>
      el(
        "p",
        { class: "bad-text", role: "alert" },
        el("strong", {}, `${count} message${count === 1 ? "" : "s"} to ${surface} could not be delivered. `),
        reason,
      ),
    ),
    section(
      "Awaits approval",
      awaiting.map(({ id, title, tier, given, needed, expiresAt, yours, message }) =>
        el(
          "button",
          { type: "button", class: "panel-item", "data-testid": "panel-awaiting", onclick: () => goTo(show, message) },
          el("strong", {}, title),
          el(
            "span",
            { class: "muted" },
            `${id} · ${tier} · ${given} of ${needed} approvals · ${yours ? "yours to decide" : "not yours to decide"} · `,
          ),
          el("span", { class: "expiry", "data-expires": expiresAt }),
        ),
      ),
      "Nothing waits.",
    ),
    section(
      "Running investigations",
      running.map(({ id, title, startedAt, message }) =>
        el(
          "button",
          { type: "button", class: "panel-item", onclick: () => goTo(show, message) },
          el("strong", {}, title),
          el("span", { class: "muted" }, `${id} · for ${duration(Math.max(0, Date.now() - startedAt))}`),
        ),
      ),
      "None.",
    ),
    section(
      "What it was worth",
      [
        el(
          "dl",
          { class: "figures" },
          figures.map(({ name, value }) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
      ],
      "Nothing measured yet.",
    ),
    el("p", {}, el("a", { href: "/report" }, "The whole report")),
  ];
}

const section = (title, items, empty) =>
  el("section", {}, el("h3", {}, title), items.length > 0 ? items : el("p", { class: "muted" }, empty));

function drawKeys() {
  const keys = [
    ["/", "write a question"],
    ["j, k", "next and previous message"],
    ["a", "go to what awaits approval"],
    ["r", "reply in the thread of the message you are at"],
    ["e", "react to it"],
    ["o", "open and close this overview"],
    ["Esc", "leave a thread or a dialog"],
  ];
  return el(
    "section",
    { class: "keys-list" },
    el("h3", {}, "Keys"),
    el(
      "dl",
      {},
      keys.map(([key, what]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what))),
    ),
  );
}

export const togglePanel = (options) => (dialog.open ? dialog.close() : openPanel(options));
document.getElementById("panel-close").addEventListener("click", () => dialog.close());
// A press beside the panel closes it.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
