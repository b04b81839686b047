import { z } from "zod";
import { flag, port, webAddress } from "./values.ts";

/** Without colons and skin tone. */
const emojiName = z
  .string()
  .transform((name) => name.replace(/^:|:$/g, ""))
  .pipe(z.string().regex(/^[a-z0-9_+'-]{1,100}$/, "must be an emoji's name, for instance white_check_mark"));

/** Slack, in Socket Mode or over HTTP. */
export const slackSchema = z
  .strictObject({
    botToken: z.string().startsWith("xoxb-").optional(),
    appToken: z.string().startsWith("xapp-").optional(),
    signingSecret: z.string().min(8).optional(),
    channel: z
      .string()
      .regex(
        /^[A-Z0-9]+$/,
        "must be the channel's id, for instance C0123456789 (at the end of the channel's details), not its name",
      )
      .optional()
      .describe("channel id for proactive posts, for instance C0123456789"),
    apiUrl: z.url().optional(),
    httpPort: port.default(3979).describe("where Slack's requests arrive when there is a signing secret and no app token"),
    allowedWorkspaces: z.array(z.string().min(1)).default([]).describe("team ids that may speak to Vigil besides its own"),
    approvers: z.array(z.string().min(1)).default([]).describe("user ids that may approve"),
    approverGroups: z.array(z.string().min(1)).default([]).describe("user group ids whose members may approve"),
    onCallApproves: flag.default(false).describe("whoever is on call for the service may approve; needs onCall"),
    emoji: z
      .strictObject({
        approve: emojiName.default("white_check_mark"),
        deny: emojiName.default("no_entry"),
        verdicts: z.record(emojiName, z.enum(["correct", "partly", "incorrect", "noise"])).optional(),
      })
      .prefault({})
      .describe("emoji names that decide and that vote; none may do both"),
  })
  .prefault({});

/** What Slack lacks to be on, with the variables that set it; null when nothing of it is set, or nothing is missing. */
export function lackingForSlack(slack: z.output<typeof slackSchema>): string[] | null {
  const { botToken, appToken, signingSecret, channel } = slack;
  if (!botToken && !appToken && !signingSecret && !channel) return null;
  const lacking = [
    ...(botToken ? [] : ["slack.botToken (SLACK_BOT_TOKEN)"]),
    ...(channel ? [] : ["slack.channel (SLACK_CHANNEL), the id of the incident channel"]),
    ...(appToken || signingSecret
      ? []
      : ["slack.appToken (SLACK_APP_TOKEN) for Socket Mode, or slack.signingSecret (SLACK_SIGNING_SECRET)"]),
  ];
  return lacking.length > 0 ? lacking : null;
}

/** Microsoft Teams. */
export const teamsSchema = z
  .strictObject({
    appId: z.uuid().optional().describe("application id of the bot in Entra"),
    appSecret: z.string().min(8).optional().describe("client secret of that application; none with a managed identity"),
    appType: z.enum(["SingleTenant", "UserAssignedMSI"]).default("SingleTenant"),
    tenantId: z.uuid().optional().describe("directory that the application is registered in"),
    channel: z
      .string()
      .min(1)
      .optional()
      .describe("id of the channel or group chat for proactive posts, for instance 19:…@thread.tacv2"),
    approvers: z.array(z.string().min(1)).default([]).describe("Entra object ids of those who may approve"),
    allowedTenants: z.array(z.string().min(1)).default([]).describe("tenants whose people may speak to Vigil besides its own"),
    host: z.string().min(1).default("127.0.0.1").describe("address of the endpoint; a proxy or tunnel brings Teams to it"),
    port: port.default(3980),
    serviceUrl: webAddress.default("https://smba.trafficmanager.net/teams/"),
    serviceHosts: z.array(z.string().min(1)).optional().describe("hosts that activities may come from; default: Microsoft's"),
    reactions: z.record(z.string().min(1), z.enum(["correct", "partly", "incorrect", "noise"])).optional(),
  })
  .prefault({});
