import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { Anchoring } from "../actions/anchor.ts";
import type { Config } from "../config.ts";
import type { Core } from "../core.ts";
import { type Clock, DAY, HOUR, MINUTE, SECOND } from "../domain/time.ts";
import { Digest } from "../flows/digest.ts";
import { retain } from "../flows/forget.ts";
import type { IncidentChannel } from "../flows/ports.ts";
import { POSTMORTEMS } from "../flows/postmortem.ts";
import { collectReport } from "../flows/report.ts";
import { auditHead } from "../store/audit.ts";
import { postmortemFiles } from "../store/postmortem-files.ts";
import { PrivacyRepository } from "../store/privacy.ts";
import type { Stores } from "../stores.ts";
import { AnchorFile } from "../targets/anchor/file.ts";
import { AnchorWebhook } from "../targets/anchor/webhook.ts";
import { anchorFile } from "./anchor-file.ts";

export interface HouseParts {
  readonly config: Config;
  readonly stores: Stores;
  readonly core: Core;
  readonly channel: IncidentChannel;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What goes on in each replica as long as it runs: its own telemetry is cleared away, and what commands changed is read. Returns how to end it. */
export function keepOwnHouse(parts: HouseParts): () => Promise<void> {
  const timers = [
    every(HOUR / Math.min(60, parts.clock.speed), () => forgetTelemetry(parts), "now"),
    every(30 * SECOND, () => readWhatCommandsChanged(parts), "later"),
  ];
  return async () => {
    for (const timer of timers) clearInterval(timer);
  };
}

/** What the one that leads does for all: clearing away, anchoring the audit trail, the weekly digest. Returns how to end it. */
export function keepSharedHouse(parts: HouseParts): () => Promise<void> {
  const { config } = parts;
  const timer = every(6 * HOUR, () => clearAway(parts), "now");
  const anchoring = anchorAudit(parts);
  const weekly = config.digest.enabled ? weeklyDigest(parts) : null;
  return async () => {
    clearInterval(timer);
    weekly?.stop();
    await anchoring.stop();
  };
}

function every(pause: number, work: () => Promise<unknown>, first: "now" | "later"): NodeJS.Timeout {
  if (first === "now") void work();
  return setInterval(work, pause).unref();
}

/** Telemetry that is older than it may be kept, by its own clock. */
async function forgetTelemetry({ config, stores, clock, log }: HouseParts): Promise<void> {
  await stores.telemetry
    .retain(clock.now() - config.telemetry.retentionDays * DAY)
    .catch((error) => log.warn({ err: error }, "old telemetry could not be deleted"));
}

/** Incidents and conversations that are older than they may be kept. */
async function clearAway({ config, stores, core, clock, log }: HouseParts): Promise<void> {
  const { incidentDays, conversationDays } = config.retention;
  await retain(
    {
      privacy: new PrivacyRepository(stores.state),
      investigations: stores.investigations,
      learning: core.learning,
      files: postmortemFiles(stores.folder),
    },
    { incidents: clock.now() - incidentDays * DAY, conversations: Date.now() - conversationDays * DAY },
  ).catch((error) => log.warn({ err: error }, "what is older than it may be kept could not be deleted"));
}

/** Commands beside this process take back, forget, and hand in post-mortems. */
async function readWhatCommandsChanged({ stores, core, log }: HouseParts): Promise<void> {
  const published = join(stores.folder, POSTMORTEMS);
  try {
    await core.learning.refreshIfChanged();
    if (existsSync(published)) await core.knowledge.ingestFolder(published, { collection: POSTMORTEMS });
  } catch (error) {
    log.warn({ err: error }, "what commands changed could not be read; the next look tries again");
  }
}

/** Notes the head of the audit trail outside the database. */
function anchorAudit({ config, stores, log }: HouseParts): Anchoring {
  const { anchorUrl, anchorToken, anchorMinutes } = config.audit;
  const anchoring = new Anchoring({
    head: () => auditHead(stores.state),
    places: [
      new AnchorFile(anchorFile(config)),
      ...(anchorUrl ? [new AnchorWebhook({ url: anchorUrl, token: anchorToken ?? null })] : []),
    ],
    every: anchorMinutes * MINUTE,
    now: () => Date.now(),
    onFailure: (place, error) =>
      log.error({ err: error, place }, "the audit trail could not be anchored; the next time tries again"),
  });
  anchoring.start();
  return anchoring;
}

function weeklyDigest({ config, stores, core, channel, log }: HouseParts): Digest {
  const { digest, escalation, worth } = config;
  const weekly = new Digest({
    figures: (since) => collectReport(core.records, worth, since),
    channel,
    memory: stores.investigations,
    schedule: digest,
    page: escalation.pageUrl ? `${escalation.pageUrl.replace(/\/$/, "")}/report` : null,
    now: () => Date.now(),
    log,
  });
  weekly.start();
  return weekly;
}
