import { el } from "./dom.js";

const dialog = document.getElementById("dialog");
const form = document.getElementById("dialog-form");
/** Characters; the gate has the last word. */
const LONGEST_REASON = 500;

/** Shows a dialog; resolves with its fields when confirmed and with null when closed. */
function ask({ title, content, confirm, tone = "primary" }) {
  form.replaceChildren(
    el("h2", { id: "dialog-title" }, title),
    ...content,
    el(
      "div",
      { class: "buttons" },
      el("button", { type: "submit", value: "yes", class: `button ${tone}`, "data-testid": "dialog-confirm" }, confirm),
      el(
        "button",
        { type: "submit", value: "no", class: "button quiet", formnovalidate: true, "data-testid": "dialog-cancel" },
        "Cancel",
      ),
    ),
  );
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => resolve(dialog.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null),
      { once: true },
    );
  });
}

export function confirmApproval(button, card) {
  const facts = (card.body.find(({ type }) => type === "fields")?.fields ?? []).map(({ name }) => name);
  return ask({
    title: button.confirm.title,
    content: [
      el("p", { class: "lead" }, button.confirm.text),
      el("p", { class: "muted" }, `Risk ${button.tier}. ${facts.includes("Undo") ? "The way back is prepared." : ""}`),
      ...(button.reason ? reasonField(button) : []),
    ],
    confirm: "Approve",
  });
}

/** Asks an approver why; blanks are no reason. */
function reasonField({ tier }) {
  const note = "Everyone reads it: it stands on the card, in the audit trail and in the post-mortem.";
  const field = el("textarea", {
    id: "reason",
    name: "reason",
    rows: 3,
    maxlength: LONGEST_REASON,
    required: true,
    "aria-describedby": "reason-note",
    "data-testid": "approve-reason",
  });
  const judge = () => field.setCustomValidity(field.value.trim() ? "" : "Say in a sentence why.");
  field.addEventListener("input", judge);
  judge();
  return [
    el("label", { for: "reason" }, `Why? ${tier} needs a reason with each approval.`),
    field,
    el("p", { class: "muted", id: "reason-note" }, note),
  ];
}

export function denyWithReason() {
  return ask({
    title: "Deny this action",
    content: [
      el("label", { for: "reason" }, "Why? It helps the next proposal."),
      el("textarea", { id: "reason", name: "reason", rows: 3, maxlength: LONGEST_REASON, "data-testid": "deny-reason" }),
    ],
    confirm: "Deny",
    tone: "danger",
  });
}

export function feedbackForm(feedback, own) {
  const options = [
    ["correct", "Correct: this was the cause"],
    ["partly", "Partly: something was missing or wrong"],
    ["incorrect", "Incorrect: it was something else"],
    ["noise", "Noise: nothing was wrong"],
  ];
  return ask({
    title: "What was it really?",
    content: [
      el(
        "fieldset",
        {},
        el("legend", {}, "Your verdict"),
        options.map(([value, label]) =>
          el(
            "label",
            { class: "choice" },
            el("input", {
              type: "radio",
              name: "verdict",
              value,
              required: true,
              checked: own === value,
              "data-testid": `form-${value}`,
            }),
            label,
          ),
        ),
      ),
      el("label", { for: "real-cause" }, "The real cause"),
      el("textarea", { id: "real-cause", name: "realCause", rows: 3, maxlength: 2000, "data-testid": "real-cause" }),
      el("label", { for: "missed" }, "What was missed"),
      el("textarea", { id: "missed", name: "missed", rows: 2, maxlength: 2000, "data-testid": "missed" }),
      feedback.acted
        ? el(
            "fieldset",
            {},
            el("legend", {}, "Did the action help?"),
            [
              ["yes", "Yes"],
              ["no", "No"],
            ].map(([value, label]) =>
              el("label", { class: "choice inline" }, el("input", { type: "radio", name: "helped", value }), label),
            ),
          )
        : null,
    ].filter(Boolean),
    confirm: "Save",
  });
}

export function confirmStop() {
  return ask({
    title: "Stop all actions?",
    content: [
      el(
        "p",
        {},
        "No action runs until people resume. Proposals that wait are cancelled; what is being verified goes on to its end.",
      ),
      el("label", { for: "stop-reason" }, "Reason"),
      el("input", { id: "stop-reason", name: "reason", maxlength: 200, "data-testid": "stop-reason" }),
    ],
    confirm: "Stop all actions",
    tone: "danger",
  });
}

export function askName(current) {
  return ask({
    title: "Who are you?",
    content: [
      el("p", { class: "muted" }, "The name stands beside your approvals and verdicts. It is kept in this browser."),
      el("label", { for: "name" }, "Name"),
      el("input", {
        id: "name",
        name: "name",
        value: current,
        maxlength: 60,
        required: true,
        pattern: "[\\p{L}\\p{N} .'’_\\-]+",
        "data-testid": "name",
      }),
    ],
    confirm: "Save",
  });
}
