import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import express, { type Express } from "express";
import { proposalCard } from "../../src/chat/cards/proposal.ts";
import { pictureSvg } from "../../src/chat/picture.ts";
import { DEFAULT_EMOJI } from "../../src/chat/reactions.ts";
import { cardMessages, foldMessages } from "../../src/chat/slack/blocks.ts";
import { approveModal, denyModal, detailsModal, feedbackModal, homeView } from "../../src/chat/slack/views.ts";
import { adaptiveCard, detailsCard } from "../../src/chat/teams/adaptive.ts";
import { approveForm, denyForm, feedbackForm } from "../../src/chat/teams/forms.ts";
import { pageMessage } from "../../src/chat/web/page-message.ts";
import { forecast, home, pending, picture } from "../support/chat-samples.ts";
import { galleryStates } from "./states.ts";

const here = import.meta.dirname;
const root = resolve(here, "../..");

/** What the gallery draws: each card for each surface, with the JSON that the designers of Slack and Teams take. */
export function galleryData(now: number) {
  const cards = galleryStates(now).map(({ group, name, card }, index) => {
    const { root: message, overflow } = cardMessages(card, DEFAULT_EMOJI);
    return {
      group,
      name,
      story: card.story,
      web: pageMessage({ id: `card-${index}`, seq: index + 1, thread: null, at: now, author: "vigil", kind: "card", body: card }),
      slack: { message, thread: card.kind === "proposal" ? [] : [...overflow, ...foldMessages(card)] },
      teams: adaptiveCard(card, { approver: true, refreshFor: [] }),
    };
  });
  const details = proposalCard(pending());
  const [approve] = proposalCard(pending({ reasonNeeded: true, neededApprovals: 2 })).buttons;
  const origin = { conversation: "19:incidents@thread.tacv2", message: "1700000000000" };
  const views = [
    {
      name: "App Home",
      slack: homeView(home(), new Map([["proposal:PRO-1", "https://team.slack.example/archives/C1/p1"]]), null),
      teams: null,
    },
    {
      name: "App Home, stopped",
      slack: homeView(
        home({
          stopped: "stopped by Ana: too risky tonight",
          awaiting: [],
          undelivered: [
            {
              surface: "slack",
              count: 2,
              reason: "Slack refused: is_archived. The channel is archived; unarchive it or set slack.channel to another.",
            },
          ],
        }),
        new Map(),
        "Stopped. No action runs until 2 approvers type `/vigil resume`.",
      ),
      teams: null,
    },
    { name: "Details of a proposal", slack: detailsModal(details), teams: detailsCard(details) },
    ...(approve?.type === "approve"
      ? [{ name: "Approve, with a reason", slack: approveModal(approve, "{}"), teams: approveForm(approve, origin) }]
      : []),
    { name: "Deny, with its reason", slack: denyModal("{}"), teams: denyForm("PRO-1.1.nonce-of-22-characters", origin) },
    { name: "The real cause", slack: feedbackModal("INV-1."), teams: feedbackForm("INV-1", null) },
  ];
  return { cards, views };
}

/** Serves the gallery from this machine; it loads nothing from anywhere else. */
export function galleryApp(now: number): Express {
  const app = express().disable("x-powered-by");
  const adaptive = createRequire(import.meta.url).resolve("adaptivecards/dist/adaptivecards.js");
  app.use((_request, response, next) => {
    response.set(
      "content-security-policy",
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'",
    );
    next();
  });
  app.get("/data.json", (_request, response) => void response.json(galleryData(now)));
  app.get("/adaptivecards.js", (_request, response) => void response.sendFile(adaptive));
  app.get("/api/pictures/:file", (request, response) => {
    const shown = request.params.file.startsWith("forecast") ? forecast().picture : picture();
    response.type("image/svg+xml").send(pictureSvg(shown));
  });
  app.use("/web", express.static(join(root, "src/chat/web/page")));
  app.use(express.static(join(here, "page")));
  if (!existsSync(adaptive)) throw new Error("The package adaptivecards is missing; run npm ci.");
  return app;
}
