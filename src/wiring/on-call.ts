import { resolve } from "node:path";
import type { Config } from "../config.ts";
import type { OnCallSource, Pager } from "../domain/oncall.ts";
import type { IncidentChannel } from "../flows/ports.ts";
import { PagerDutyOnCall } from "../sources/oncall/pagerduty.ts";
import { RotaFile } from "../sources/oncall/rota.ts";
import { ChannelMention } from "../targets/pager/channel-mention.ts";
import { OpsgenieAlerts } from "../targets/pager/opsgenie.ts";
import { PagerDutyEvents } from "../targets/pager/pagerduty.ts";
import { SlackMention } from "../targets/pager/slack-mention.ts";

/** The message in Slack that shows an investigation, or null. */
export type ThreadOf = (investigationId: string) => Promise<{ readonly channel: string; readonly message: string } | null>;

/** Who is on call, by the configuration; null when it does not say. */
export function onCallSource({ onCall }: Config): OnCallSource | null {
  if (onCall.file) return new RotaFile(resolve(onCall.file));
  const { token, apiUrl, schedules } = onCall.pagerDuty;
  return token ? new PagerDutyOnCall({ token, url: apiUrl, schedules }) : null;
}

/** Who is called, by the configuration. @param threadOf the message in Slack that shows an investigation */
export function pagersOf({ escalation, slack }: Config, channel: IncidentChannel, threadOf: ThreadOf): Pager[] {
  const { routingKey, eventsUrl } = escalation.pagerDuty;
  const { apiKey, apiUrl, teams } = escalation.opsgenie;
  const pageUrl = escalation.pageUrl ?? null;
  const mention =
    slack.botToken && slack.channel
      ? new SlackMention({ token: slack.botToken, channel: slack.channel, apiUrl: slack.apiUrl, threadOf })
      : new ChannelMention((id, text) => channel.tell(id, text));
  return [
    ...(routingKey ? [new PagerDutyEvents({ routingKey, url: eventsUrl, pageUrl })] : []),
    ...(apiKey ? [new OpsgenieAlerts({ apiKey, url: apiUrl, pageUrl, teams })] : []),
    ...(escalation.mention ? [mention] : []),
  ];
}
