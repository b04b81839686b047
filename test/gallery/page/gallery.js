import { drawBlocks } from "/slack.js";
import { drawCard } from "/web/card.js";
import { el, markdown } from "/web/dom.js";

const { cards, views } = await (await fetch("/data.json")).json();
const nothing = () => {};
const actions = { me: () => "web:you", approve: nothing, deny: nothing, vote: nothing, openForm: nothing, react: nothing };
const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");

function copyButton(label, json) {
  const button = el("button", { type: "button", class: "link copy" }, label);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(json);
    document.getElementById("copied").textContent = `${label}: copied`;
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = label;
    }, 1_500);
  });
  return button;
}

function json(label, value) {
  const text = JSON.stringify(value, null, 2);
  return el(
    "details",
    { class: "json" },
    el("summary", {}, "JSON ", copyButton(label, text)),
    el("pre", { tabindex: 0 }, el("code", {}, text)),
  );
}

const dark = matchMedia("(prefers-color-scheme: dark)");
/** Teams' own colours, light and dark, for the Adaptive Card. */
function hostConfig() {
  const text = dark.matches ? "#ffffff" : "#242424";
  const subtle = dark.matches ? "#adadad" : "#616161";
  const colours = {
    default: { default: text, subtle },
    accent: { default: dark.matches ? "#9299f7" : "#5b5fc7", subtle },
    good: { default: dark.matches ? "#92c353" : "#237b4b", subtle },
    warning: { default: dark.matches ? "#f8d22a" : "#8f4e00", subtle },
    attention: { default: dark.matches ? "#f9526b" : "#c4314b", subtle },
  };
  const style = (backgroundColor) => ({ backgroundColor, foregroundColors: colours });
  return {
    fontFamily: "Segoe UI, system-ui, 'DejaVu Sans', sans-serif",
    fontSizes: { small: 12, default: 14, medium: 14, large: 18, extraLarge: 24 },
    spacing: { small: 6, default: 10, medium: 16, large: 24, extraLarge: 32, padding: 14 },
    containerStyles: { default: style("transparent"), emphasis: style(dark.matches ? "#2d2d2d" : "#f5f5f5") },
    actions: { maxActions: 6, actionAlignment: "left", actionsOrientation: "horizontal", buttonSpacing: 8 },
    factSet: {
      title: { weight: "Bolder", color: "default", maxWidth: 150 },
      value: { color: "default", wrap: true },
      spacing: 10,
    },
  };
}

function drawTeams(card) {
  const box = el("div", { class: "teams-card" });
  const adaptive = new window.AdaptiveCards.AdaptiveCard();
  adaptive.hostConfig = new window.AdaptiveCards.HostConfig(hostConfig());
  adaptive.parse(card);
  const drawn = adaptive.render();
  if (drawn) box.append(drawn);
  return box;
}

function column(surface, title, ...content) {
  return el("section", { class: `surface ${surface}`, "aria-label": title }, el("h4", {}, title), ...content);
}

function drawState({ group, name, story, web, slack, teams }) {
  const id = slug(`${group}-${name}`);
  return el(
    "article",
    { class: "state", id, "data-name": `${group} ${name}`.toLowerCase(), "data-testid": "gallery-state" },
    el("h3", {}, el("span", { class: "group" }, group), " ", name),
    el("p", { class: "story" }, story, el("span", { class: "length" }, `${[...story].length} of 200`)),
    el(
      "div",
      { class: "surfaces" },
      column(
        "web",
        "Local page",
        web.card ? drawCard(web.card, id, actions) : el("div", { class: "text" }, markdown(web.text, id)),
      ),
      column(
        "slack",
        "Slack",
        el("div", { class: "slack-message" }, drawBlocks(slack.message.blocks)),
        slack.thread.length > 0
          ? el(
              "details",
              { class: "slack-thread" },
              el("summary", {}, `${slack.thread.length} repl${slack.thread.length === 1 ? "y" : "ies"} in the thread`),
              slack.thread.map((message) => el("div", { class: "slack-message" }, drawBlocks(message.blocks))),
            )
          : null,
        json("Copy for Block Kit Builder", { blocks: slack.message.blocks }),
      ),
      column("teams", "Teams", drawTeams(teams), json("Copy for the Adaptive Cards designer", teams)),
    ),
  );
}

function drawView({ name, slack, teams }) {
  return el(
    "article",
    { class: "state", id: slug(`view-${name}`), "data-name": name.toLowerCase(), "data-testid": "gallery-view" },
    el("h3", {}, el("span", { class: "group" }, "Form"), " ", name),
    el(
      "div",
      { class: "surfaces two" },
      column(
        "slack",
        slack.type === "home" ? "Slack, App Home" : "Slack, modal",
        el(
          "div",
          { class: "slack-view" },
          slack.title ? el("p", { class: "slack-view-title" }, slack.title.text) : null,
          drawBlocks(slack.blocks),
          slack.submit
            ? el(
                "p",
                { class: "slack-actions" },
                el("span", { class: "slack-button" }, slack.close.text),
                el("span", { class: "slack-button primary" }, slack.submit.text),
              )
            : null,
        ),
        json("Copy for Block Kit Builder", slack),
      ),
      teams ? column("teams", "Teams, dialog", drawTeams(teams), json("Copy for the Adaptive Cards designer", teams)) : null,
    ),
  );
}

function draw() {
  document.getElementById("states").replaceChildren(...cards.map(drawState), ...views.map(drawView));
  const links = [
    ...cards.map(({ group, name }) => [slug(`${group}-${name}`), group, name]),
    ...views.map(({ name }) => [slug(`view-${name}`), "Form", name]),
  ];
  const groups = [...new Set(links.map(([, group]) => group))];
  document.getElementById("contents").replaceChildren(
    ...groups.map((group) =>
      el(
        "span",
        { class: "contents-group" },
        el("strong", {}, group),
        links.filter(([, of]) => of === group).map(([id, , name]) => el("a", { href: `#${id}` }, name)),
      ),
    ),
  );
}

document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const state of document.querySelectorAll(".state")) state.hidden = !state.dataset.name.includes(wanted);
});
dark.addEventListener("change", draw);
draw();
document.body.dataset.ready = "yes";
