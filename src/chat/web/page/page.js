import { drawCard } from "./card.js";
import { askName, confirmApproval, confirmStop, denyWithReason, feedbackForm } from "./dialogs.js";
import { duration, el, markdown, revealEvidence, utc } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { openPanel, togglePanel } from "./panel.js";
import { reactButton } from "./reactions.js";
import { follow, post } from "./server.js";

const $ = (id) => document.getElementById(id);
const STORIES = [
  ["flag", "Feature flag", "A flag is raised and latency creeps up by about twelve per cent, under every alert threshold."],
  ["bad-deploy", "Bad deploy", "A new version brings errors."],
  ["cascade", "Cascade", "A dependency slows down and takes its callers with it."],
  ["rollback-no-help", "Fix that does not help", "The suspected change is innocent: the action is undone by itself."],
  ["quiet", "Quiet day", "Nothing is wrong; Vigil must stay silent."],
  ["reset", "Reset", "Heals the shop."],
];
const GETTING_READY = [
  "Getting ready",
  "Vigil learns what is normal before it watches. You can read along, and ask, in a moment.",
];
const QUIET = [
  "All quiet",
  "Vigil posts here when something leaves its usual range, long before an alert would fire. You can ask, too.",
];
const SUGGESTIONS = ["What changed in the last 6 hours?", "Is anything unusual right now?", "/vigil status"];

/** Messages by id, and the element that shows each. */
const messages = new Map();
const shown = new Map();
let state = null;
let stateAt = 0;
let caughtUp = false;
let replyingTo = null;
let me = localStorage.getItem("vigil-name") || "you";

const actions = {
  me: () => `web:${me}`,
  async approve(button, card) {
    const answer = await confirmApproval(button, card);
    if (answer) await decide(button, "approve", answer.reason ?? null, card);
  },
  async deny(button, card) {
    const answer = await denyWithReason();
    if (answer) await decide(button, "deny", answer.reason || null, card);
  },
  again: (button, card) => decide(button, "again", null, card),
  async vote(feedback, verdict) {
    const { body } = await post("/api/feedback", { investigationId: feedback.investigationId, verdict, via: "button", user: me });
    toast(body.text ?? body.error, body.accepted === false || body.error);
  },
  async openForm(feedback, own) {
    const answer = await feedbackForm(feedback, own);
    if (!answer) return;
    const { body } = await post("/api/feedback", {
      investigationId: feedback.investigationId,
      verdict: answer.verdict,
      realCause: answer.realCause || null,
      missed: answer.missed || null,
      actionEffective: answer.helped ? answer.helped === "yes" : null,
      via: "form",
      user: me,
    });
    toast(body.text ?? body.error, body.accepted === false || body.error);
  },
};

async function decide(button, verdict, reason, card) {
  const { proposalId, rev, nonce } = button;
  const { body } = await post("/api/decisions", { proposalId, rev, nonce, verdict, reason, message: card.subject, user: me });
  toast(body.text ?? body.error, !body.accepted);
}

async function react(message, emoji, meaning) {
  const { body } = await post("/api/reactions", { message: message.id, emoji, present: true, user: me });
  toast(body.text ?? body.error ?? `Noted: ${meaning}.`, body.accepted === false || Boolean(body.error));
}

function onMessage(message) {
  const known = messages.get(message.id);
  if (known && known.seq >= message.seq) return;
  messages.set(message.id, message);
  const atEnd = nearEnd();
  draw(message, known);
  if (caughtUp) announce(message, known);
  refreshPending();
  $("empty").hidden = messages.size > 0;
  if (caughtUp && atEnd) toNewest(message);
}

function draw(message, known) {
  const fresh = drawMessage(message);
  const old = shown.get(message.id);
  shown.set(message.id, fresh);
  if (old) {
    keepPlace(old, fresh);
    old.querySelector(":scope > .message-main").replaceWith(fresh.querySelector(":scope > .message-main"));
    shown.set(message.id, old);
    return;
  }
  const root = message.thread ? shown.get(message.thread) : null;
  if (root) insertByTime(root.querySelector(":scope > .thread"), fresh, message);
  else insertByTime($("timeline"), fresh, message);
  // Replies that came before their root move under it.
  for (const reply of messages.values()) {
    if (reply.thread === message.id && shown.get(reply.id)?.parentElement === $("timeline")) {
      insertByTime(fresh.querySelector(":scope > .thread"), shown.get(reply.id), reply);
    }
  }
  if (known === undefined && caughtUp) fresh.classList.add("fresh");
}

function insertByTime(parent, element, message) {
  const later = [...parent.children].find((child) => {
    const other = messages.get(child.dataset.id);
    return other && other.at > message.at;
  });
  parent.insertBefore(element, later ?? null);
}

/** An update must not fold what a person has opened, nor take the focus away. */
function keepPlace(old, fresh) {
  const main = old.querySelector(":scope > .message-main");
  for (const fold of main.querySelectorAll("details[data-fold]")) {
    const same = fresh.querySelector(`details[data-fold="${CSS.escape(fold.dataset.fold)}"]`);
    if (same) same.open = fold.open;
  }
  const image = main.querySelector(".picture img");
  const next = fresh.querySelector(".picture img");
  if (image && next && image.getAttribute("src") === next.getAttribute("src")) next.replaceWith(image);
  const key = main.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  if (key) queueMicrotask(() => old.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true }));
}

function drawMessage(message) {
  const { id, author, at, card, text, thread } = message;
  const vigil = author === "vigil";
  const time = new Date(at);
  const article = el(
    "article",
    {
      class: `message ${vigil ? "from-vigil" : "from-person"} ${thread ? "reply" : "root"}`,
      "data-testid": "message",
      "data-id": id,
      "data-author": author,
      tabindex: -1,
      "aria-label": `${vigil ? "Vigil" : author}, ${time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`,
    },
    el(
      "div",
      { class: "message-main" },
      vigil
        ? el("img", { class: "avatar", src: "icon.svg", alt: "", width: 36, height: 36 })
        : el("span", { class: "avatar person", "aria-hidden": "true" }, author.slice(0, 1).toUpperCase()),
      el(
        "div",
        { class: "message-body" },
        el(
          "p",
          { class: "byline" },
          el("strong", {}, vigil ? "Vigil" : author),
          vigil ? el("span", { class: "app" }, "agent") : null,
          el(
            "time",
            { datetime: time.toISOString(), title: `${time.toLocaleString()}, your clock` },
            time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
          ),
          vigil ? reactButton(message, state?.emoji, react) : null,
          thread
            ? null
            : el(
                "button",
                {
                  type: "button",
                  class: "link reply-button",
                  "data-testid": "reply",
                  "data-key": "reply",
                  onclick: () => enterThread(id),
                },
                "Reply in thread",
              ),
        ),
        card ? drawCard(card, id, actions) : el("div", { class: "text" }, markdown(text, id)),
      ),
    ),
    el("div", { class: "thread", "data-testid": "thread" }),
  );
  return article;
}

function announce(message, known) {
  const badge = message.card?.badge ?? null;
  if (known && (badge === (known.card?.badge ?? null) || !badge)) return;
  if (message.author === me) return;
  $("announcer").textContent = message.card ? message.card.story : plain(message.text);
}

const plain = (blocks) =>
  blocks
    .flatMap((block) =>
      block.type === "code"
        ? [block.text]
        : (block.lines ?? block.items).map((parts) => parts.map((part) => part.text ?? part.id).join("")),
    )
    .join(" ");

/** What waits for a decision stays in sight wherever one reads. */
function refreshPending() {
  const waiting = [...messages.values()].filter(({ card }) => card?.kind === "proposal" && card.buttons.length > 0);
  $("overview-count").hidden = waiting.length === 0;
  $("overview-count").textContent = String(waiting.length);
  const bar = $("pending");
  bar.hidden = waiting.length === 0;
  bar.replaceChildren(
    ...waiting.map(({ id, card }) =>
      el(
        "button",
        { type: "button", class: "pending-item", onclick: () => show(id) },
        el("strong", {}, "Awaits approval"),
        el("span", { class: "pending-title" }, card.title),
        el("span", { class: "expiry", "data-expires": card.buttons[0].expiresAt }),
      ),
    ),
  );
}

function show(id) {
  const element = shown.get(id);
  if (!element) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  element.querySelector('[data-testid="approve"]')?.focus({ preventScroll: true });
}

function onState(next) {
  state = next;
  stateAt = Date.now();
  const { watchedSeries, mind, progress, stopped, demo, running, replica } = state;
  const busy = running.length > 0 ? ` · investigating ${running.join(", ")}` : "";
  const standsBy = replica && !replica.leads ? `Standing by: ${replica.leader ?? "another replica"} watches` : null;
  const watching = standsBy ?? (watchedSeries > 0 ? `Watching ${watchedSeries} series` : "Not watching yet");
  $("watching").textContent = `${watching} · ${mind}${busy}`;
  $("progress").hidden = !progress;
  if (progress) {
    const share = progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0;
    $("progress-text").textContent = `${sentence(progress.what)}… ${Math.round(share * 100)} %`;
    $("progress-bar").value = share;
  }
  const [title, text] = progress ? GETTING_READY : QUIET;
  $("empty-title").textContent = title;
  $("empty-text").textContent = text;
  $("stopped").hidden = !stopped;
  if (stopped) {
    $("stopped").replaceChildren(
      el("span", {}, el("strong", {}, "No action runs. "), sentence(stopped)),
      el(
        "button",
        { type: "button", class: "button quiet", "data-testid": "resume", onclick: () => say("/vigil resume", null) },
        "Resume",
      ),
    );
  }
  $("kill").hidden = Boolean(stopped);
  $("demo").hidden = !demo;
  if (demo) refreshStories(demo, Boolean(progress));
  tick();
}

function refreshStories(demo, loading) {
  const box = $("scenarios");
  if (box.children.length === 0) {
    for (const [name, title, description] of STORIES) {
      box.append(
        el(
          "button",
          {
            type: "button",
            class: "scenario",
            title: description,
            "data-testid": `scenario-${name}`,
            "data-name": name,
            onclick: () => play(name, title),
          },
          title,
        ),
      );
    }
  }
  for (const button of box.children) {
    button.disabled = loading;
    const current = button.dataset.name === demo.current.scenario;
    button.setAttribute("aria-pressed", String(current));
  }
}

async function play(name, title) {
  const { ok, body } = await post(`/api/demo/${name}`, {});
  if (ok) toast(name === "reset" ? "The shop is healed." : `${title}: it begins now. Watch the channel.`);
  else toast(body.error, true);
}

/** Clocks and countdowns, once a second. */
function tick() {
  if (state) {
    const telemetry = state.telemetryTime + (Date.now() - stateAt) * state.speed;
    $("clock").hidden = false;
    $("clock").replaceChildren(
      el("span", { class: "clock-time" }, `${utc(telemetry, state.speed <= 1)} UTC`),
      el("span", { class: "clock-note" }, state.demo ? `demo clock, ${state.speed}× yours` : "telemetry"),
    );
  }
  for (const element of document.querySelectorAll("[data-expires]")) {
    const left = Number(element.dataset.expires) - Date.now();
    element.textContent = left > 0 ? `expires in ${countdown(left)}` : "expired";
    element.classList.toggle("soon", left < 60_000);
  }
}

function countdown(left) {
  const seconds = Math.floor(left / 1_000);
  return left > 3_600_000 ? duration(left) : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function enterThread(id) {
  replyingTo = id;
  const message = messages.get(id);
  $("composer-where").hidden = false;
  $("composer-where-text").textContent =
    `In the thread of ${message?.card?.id ?? `“${plain(message?.text ?? []).slice(0, 40)}”`}.`;
  $("composer-text").placeholder = "Ask a follow-up";
  $("composer-text").focus();
}

function leaveThread() {
  replyingTo = null;
  $("composer-where").hidden = true;
  $("composer-text").placeholder = "Ask Vigil: why is checkout slow?";
}

async function say(text, thread) {
  const { ok, body } = await post("/api/messages", { text, thread, user: me });
  if (!ok) toast(body.error ?? "That did not reach Vigil.", true);
  return ok;
}

function toast(text, bad = false) {
  if (!text) return;
  const element = el("p", { class: `toast${bad ? " bad" : ""}`, "data-testid": "toast" }, text);
  $("toasts").append(element);
  // A refusal is read, and says what to do.
  setTimeout(() => element.remove(), bad ? 20_000 : 7_000);
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
/** True while the person reads the newest message rather than older ones. */
function nearEnd() {
  const last = [...$("timeline").children].findLast((child) => child.matches(".message"));
  return !last || last.getBoundingClientRect().top < innerHeight;
}

/** Shows the end of the channel, but never scrolls past the beginning of its newest message: its first lines tell the story. */
function toNewest(message) {
  const roots = [...$("timeline").children].filter((child) => child.matches(".message"));
  const newest = message?.thread ? shown.get(message.id) : roots.at(-1);
  if (!newest) return;
  const beginning = newest.getBoundingClientRect().top + scrollY - $("top").offsetHeight - 16;
  scrollTo({ top: Math.min(beginning, document.documentElement.scrollHeight - innerHeight) });
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const box = $("composer-text");
  const text = box.value.trim();
  if (!text) return;
  box.value = "";
  grow();
  if (!(await say(text, replyingTo)) && !box.value) box.value = text;
});
$("composer-text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
  if (event.key === "Escape") leaveThread();
});
$("composer-text").addEventListener("input", grow);
function grow() {
  const box = $("composer-text");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
}
$("composer-leave").addEventListener("click", leaveThread);
$("kill").addEventListener("click", async () => {
  const answer = await confirmStop();
  if (answer) await say(`/vigil stop ${answer.reason ?? ""}`.trim(), null);
});
$("whoami").addEventListener("click", async () => {
  const answer = await askName(me);
  if (!answer?.name?.trim()) return;
  me = answer.name.trim();
  localStorage.setItem("vigil-name", me);
  $("whoami").textContent = me;
  for (const message of messages.values()) if (message.card?.feedback) draw(message, message);
});
const panel = () => ({ me, show });
$("overview").addEventListener("click", () => openPanel(panel()));
listenToKeys({
  timeline: $("timeline"),
  compose: () => $("composer-text").focus(),
  reply: (message) => message && enterThread(message.closest(".message.root")?.dataset.id ?? message.dataset.id),
  react: (message) => message?.querySelector('[data-testid="react"]')?.click(),
  overview: () => togglePanel(panel()),
  approval: () => $("pending").querySelector(".pending-item")?.click(),
});
addEventListener("hashchange", revealEvidence);
document.addEventListener("click", (event) => {
  // The same citation clicked again changes no address, but should be found again.
  const link = event.target.closest?.("a.cite");
  if (link && link.hash === location.hash) revealEvidence();
});

$("whoami").textContent = me;
for (const text of SUGGESTIONS) {
  $("suggestions").append(el("button", { type: "button", class: "scenario", onclick: () => say(text, null) }, text));
}
setInterval(tick, 1_000);
follow({
  onMessage,
  onState,
  onOpen: () => {
    document.body.classList.remove("lost");
    if (!caughtUp) {
      caughtUp = true;
      toNewest();
      if (location.hash) revealEvidence();
    }
  },
  onLost: () => {
    document.body.classList.add("lost");
    $("watching").textContent = "Connection lost; trying again…";
  },
});
