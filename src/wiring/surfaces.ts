import type { Logger } from "pino";
import { checkEmoji, DEFAULT_EMOJI, type EmojiMeanings } from "../chat/reactions.ts";
import type { Surface } from "../chat/surface.ts";
import { lackingForSlack } from "../config/chat.ts";
import type { Config } from "../config.ts";
import type { Core } from "../core.ts";
import { OperatorError } from "../operator-error.ts";
import type { ConversationRepository } from "../store/conversations.ts";
import { TeamsConversationRepository } from "../store/teams.ts";
import type { Stores } from "../stores.ts";

export interface SurfaceParts {
  readonly config: Config;
  readonly core: Core;
  readonly stores: Stores;
  readonly store: ConversationRepository;
  readonly log: Logger;
}

/** The configured surfaces besides the page. Each is loaded only when it is wanted. */
export async function openSurfaces(parts: SurfaceParts): Promise<Surface[]> {
  return [...(await slack(parts)), ...(await teams(parts))];
}

/** What emoji mean, by configuration and policy. */
export function emojiMeanings(config: Config, core: Core): EmojiMeanings {
  const { approve, deny, verdicts = DEFAULT_EMOJI.verdicts } = config.slack.emoji;
  return checkEmoji({ approve, deny, verdicts, tiers: core.actions.emojiTiers });
}

async function slack({ config, core, store, log }: SurfaceParts): Promise<Surface[]> {
  const { botToken, appToken, signingSecret, channel, apiUrl, httpPort, allowedWorkspaces } = config.slack;
  const lacking = lackingForSlack(config.slack);
  if (lacking)
    throw new OperatorError(
      `Slack is set up by half and would stay silent. Missing: ${lacking.join("; ")}. Set it, or remove the rest.`,
    );
  if (!botToken || !channel) return [];
  const { slackSurface } = await import("../chat/slack/index.ts");
  const emoji = emojiMeanings(config, core);
  return [
    slackSurface({
      botToken,
      appToken,
      signingSecret,
      httpPort,
      channel,
      apiUrl,
      allowedTeams: allowedWorkspaces,
      emoji,
      pageUrl: config.escalation.pageUrl ?? null,
      store,
      log,
    }),
  ];
}

async function teams({ config, core, stores, store, log }: SurfaceParts): Promise<Surface[]> {
  const { appId, channel, ...teams } = config.teams;
  if (!appId && !channel) return [];
  if (!channel)
    throw new OperatorError("Teams needs teams.channel (TEAMS_CHANNEL), the id of the channel or chat for proactive posts.");
  const { teamsSurface } = await import("../chat/teams/index.ts");
  try {
    return [
      teamsSurface({
        ...teams,
        appId: appId ?? null,
        channel,
        pageUrl: config.escalation.pageUrl ?? null,
        mayApprove: async (id, proposalId) => {
          const proposal = await core.actions.get(proposalId);
          return proposal ? core.actions.mayDecide(proposal, `teams:${id}`) : false;
        },
        store,
        conversations: new TeamsConversationRepository(stores.state),
        environment: process.env.NODE_ENV,
        log,
      }),
    ];
  } catch (error) {
    // What the surface refuses is a matter of configuration.
    throw new OperatorError(error instanceof Error ? error.message : String(error));
  }
}
