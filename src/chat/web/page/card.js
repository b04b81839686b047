import { citation, duration, el, evidenceId, line, markdown, percent } from "./dom.js";

const MARKS = { supported: "✓", refuted: "✗", open: "?" };
const STATUS_WORDS = { supported: "supported", refuted: "ruled out", open: "open" };
const VERDICTS = [
  ["correct", "Correct"],
  ["partly", "Partly"],
  ["incorrect", "Incorrect"],
  ["noise", "Noise"],
];

/**
 * Draws a card. `actions` are what people can do: approve, deny, again, vote, openForm.
 * `scope` names the message, for citations and for keeping folds open across updates.
 */
export function drawCard(card, scope, actions) {
  const plain = card.kind === "note" || card.kind === "answer";
  return el(
    "section",
    {
      class: `card tone-${card.tone} kind-${card.kind}`,
      "data-testid": `${card.kind}-card`,
      "data-state": card.badge,
      "data-card": card.id,
      "aria-label": card.badge ? `${card.badge}: ${card.title}` : null,
    },
    card.badge
      ? el(
          "div",
          { class: "card-head" },
          el("span", { class: "badge", "data-testid": card.kind === "proposal" ? "proposal-state" : "badge" }, card.badge),
          card.kind === "proposal" ? el("span", { class: "what" }, "Proposed action") : null,
        )
      : null,
    card.title ? el("h3", {}, card.title) : null,
    card.body.map((block) => drawBlock(block, scope)),
    card.buttons.length > 0 ? drawButtons(card, actions) : null,
    card.again ? drawAgain(card, actions) : null,
    card.folds.map((fold) => drawFold(fold, scope)),
    card.feedback ? drawFeedback(card.feedback, actions) : null,
    card.context.length > 0 ? el("p", { class: `context${plain ? " small" : ""}` }, card.context.join(" · ")) : null,
  );
}

function drawBlock(block, scope) {
  switch (block.type) {
    case "text":
      return el("div", { class: "text" }, markdown(block.markdown, scope));
    case "fields":
      return el(
        "dl",
        { class: "fields" },
        block.fields.map(({ name, markdown: value }) => el("div", {}, el("dt", {}, name), el("dd", {}, line(value, scope)))),
      );
    case "picture":
      return el(
        "figure",
        { class: "picture" },
        el("img", { src: block.src, alt: block.alt, width: 720, height: 260, loading: "lazy", "data-testid": "picture" }),
        el("figcaption", {}, block.alt),
      );
    case "steps":
      return drawSteps(block.steps);
    case "hypotheses":
      return drawHypotheses(block.items, scope);
    case "evidence":
      return el(
        "ol",
        { class: "evidence" },
        block.items.map((item) => drawEvidence(item, scope)),
      );
    case "stages":
      return el(
        "ol",
        { class: "stages", "aria-label": "Where it stands" },
        block.stages.map(({ name, state }) =>
          el("li", { class: `stage ${state}`, "aria-current": state === "now" ? "step" : null }, name),
        ),
      );
    default:
      return el("pre", {}, el("code", {}, block.text ?? ""));
  }
}

function drawSteps(steps) {
  const words = { running: "running", done: "done", failed: "failed" };
  return el(
    "ol",
    { class: "steps", "data-testid": "steps" },
    steps.map((step) =>
      el(
        "li",
        { class: `step ${step.state}` },
        el("span", { class: "dot", role: "img", "aria-label": words[step.state] }),
        el("span", { class: "step-title" }, step.title),
        step.duration === null ? null : el("span", { class: "step-time" }, duration(step.duration)),
        step.outcome ? el("span", { class: "step-outcome" }, step.outcome) : null,
      ),
    ),
  );
}

function drawHypotheses(items, scope) {
  return el(
    "ol",
    { class: "hypotheses", "aria-label": "Hypotheses, best first", "data-testid": "hypotheses" },
    items.map((item) => {
      const meter = el("span", { class: "meter" }, el("span", { class: "fill" }));
      meter.firstChild.style.setProperty("width", percent(item.confidence).replace(" ", ""));
      return el(
        "li",
        { class: `hypothesis ${item.status}` },
        el("span", { class: "status", role: "img", "aria-label": STATUS_WORDS[item.status] }, MARKS[item.status]),
        el(
          "div",
          {},
          el("div", { class: "statement" }, line(item.markdown, scope)),
          el(
            "div",
            { class: "bearing" },
            item.evidenceFor.length > 0 ? ["for ", ...item.evidenceFor.map((id) => citation(id, scope))] : null,
            item.evidenceAgainst.length > 0 ? [" against ", ...item.evidenceAgainst.map((id) => citation(id, scope))] : null,
          ),
        ),
        el("span", { class: "confidence" }, percent(item.confidence), meter),
      );
    }),
  );
}

function drawEvidence(item, scope) {
  return el(
    "li",
    { id: evidenceId(scope, item.id), class: "proof", "data-testid": "evidence", tabindex: -1 },
    el(
      "div",
      { class: "proof-head" },
      item.page
        ? el("a", { class: "cite", href: item.page, title: `Evidence ${item.id} on a page of its own` }, item.id)
        : el("span", { class: "cite" }, item.id),
      el("strong", {}, item.title),
      item.suspicious
        ? el(
            "span",
            { class: "warning", title: "It reads like an attempt to instruct the model; it was treated as data." },
            "suspicious text",
          )
        : null,
    ),
    el("p", { class: "proof-text" }, item.summary),
    el(
      "p",
      { class: "proof-source" },
      el("code", {}, item.source),
      item.link ? [" ", el("a", { href: item.link, rel: "noopener noreferrer", target: "_blank" }, "Look there")] : null,
    ),
  );
}

function drawFold(fold, scope) {
  return el(
    "details",
    { class: "fold", "data-fold": fold.id, open: fold.open, "data-testid": `fold-${fold.id}` },
    el("summary", {}, fold.title),
    fold.blocks.map((block) => drawBlock(block, scope)),
  );
}

function drawButtons(card, actions) {
  return el(
    "div",
    { class: "buttons" },
    card.buttons.map((button) =>
      button.type === "approve"
        ? el(
            "button",
            {
              type: "button",
              class: "button primary",
              "data-testid": "approve",
              "data-key": "approve",
              onclick: () => actions.approve(button, card),
            },
            button.reason ? `${button.label}…` : button.label,
          )
        : el(
            "button",
            {
              type: "button",
              class: "button danger",
              "data-testid": "deny",
              "data-key": "deny",
              onclick: () => actions.deny(button, card),
            },
            `${button.label}…`,
          ),
    ),
    el("span", { class: "expiry", "data-expires": card.buttons[0].expiresAt }),
  );
}

function drawAgain(card, actions) {
  return el(
    "div",
    { class: "buttons" },
    el(
      "button",
      {
        type: "button",
        class: "button quiet",
        "data-testid": "again",
        "data-key": "again",
        onclick: () => actions.again(card.again, card),
      },
      card.again.label,
    ),
  );
}

function drawFeedback(feedback, actions) {
  const own = feedback.votes.find(({ user }) => user === actions.me())?.verdict ?? null;
  const count = (verdict) => feedback.votes.filter((vote) => vote.verdict === verdict).length;
  return el(
    "div",
    { class: "feedback", role: "group", "aria-label": feedback.question },
    el("span", { class: "question" }, feedback.question),
    el(
      "span",
      { class: "votes" },
      VERDICTS.map(([verdict, label]) =>
        el(
          "button",
          {
            type: "button",
            class: "vote",
            "aria-pressed": String(own === verdict),
            "data-testid": `verdict-${verdict}`,
            "data-key": `verdict-${verdict}`,
            onclick: () => actions.vote(feedback, own === verdict ? null : verdict),
          },
          label,
          count(verdict) > 0 ? el("span", { class: "count" }, String(count(verdict))) : null,
        ),
      ),
    ),
    el(
      "button",
      {
        type: "button",
        class: "link",
        "data-testid": "feedback-form",
        "data-key": "feedback-form",
        onclick: () => actions.openForm(feedback, own),
      },
      "Tell what it really was…",
    ),
  );
}
