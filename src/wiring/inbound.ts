import type { Router } from "express";
import type { AnomalyScanner } from "../agent/types.ts";
import type { Config } from "../config.ts";
import type { Core } from "../core.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import { type Clock, MINUTE, SECOND } from "../domain/time.ts";
import { AlertTriage } from "../flows/alerts.ts";
import { ChangeRecorder } from "../flows/changes.ts";
import { doubtWords, Escalator } from "../flows/escalation.ts";
import type { Investigator } from "../flows/investigate.ts";
import type { Log } from "../flows/log.ts";
import type { IncidentChannel } from "../flows/ports.ts";
import { type Scheme, SERVICE_LABELS, type Sender, webhookRouter } from "../sources/webhooks/index.ts";
import type { ServicesOf } from "../sources/webhooks/payload.ts";
import { AlertRepository } from "../store/alerts.ts";
import { DeliveryRepository } from "../store/deliveries.ts";
import { EscalationRepository } from "../store/escalations.ts";
import type { Stores } from "../stores.ts";
import { onCallSource, pagersOf, type ThreadOf } from "./on-call.ts";

export interface InboundDependencies {
  readonly core: Core;
  readonly investigator: Investigator;
  readonly scanner: AnomalyScanner;
  readonly channel: IncidentChannel;
  /** The message in Slack that shows an investigation, or null. */
  readonly threadOf: ThreadOf;
  /** Of telemetry. */
  readonly clock: Clock;
  /** Told when an incident is over. */
  readonly resolved: (incident: Incident) => Promise<void>;
  /** Whether this replica leads: then it looks into alerts, whoever took them in. */
  readonly leads: () => boolean;
}

/**
 * Alerts and changes in, escalation out, wired. Its routes stand from the first moment, and ask senders to come again until `open` was
 * called.
 */
export class Inbound {
  readonly router: Router;
  readonly #config: Config;
  readonly #stores: Stores;
  readonly #log: Log;
  readonly #names: ServiceNames;
  #services: () => Promise<readonly string[]>;
  /** Services that a repository, project, application or flag belongs to. */
  readonly servicesOf: ServicesOf;
  /** Incidents of which the channel was told that a person is needed. */
  readonly #doubted = new Set<string>();
  #channel: IncidentChannel | null = null;
  #triage: AlertTriage | null = null;
  #changes: ChangeRecorder | null = null;
  #escalator: Escalator | null = null;

  constructor(config: Config, stores: Stores, log: Log) {
    this.#config = config;
    this.#stores = stores;
    this.#log = log;
    const { webhooks } = config;
    this.#services = () => stores.telemetry.services();
    this.#names = new ServiceNames(webhooks.services, () => this.#services());
    this.servicesOf = (name) => this.#names.of(name);
    this.router = webhookRouter({
      schemes: schemesOf(webhooks),
      maxBytes: webhooks.maxBodyMegabytes * 1_000_000,
      serviceLabels: webhooks.serviceLabels ?? SERVICE_LABELS,
      servicesOf: this.servicesOf,
      alerts: { take: (alerts) => ready(this.#triage).take(alerts) },
      changes: { take: (changes) => ready(this.#changes).take(changes) },
      deliveries: new DeliveryRepository(stores.state),
      now: () => Date.now(),
      log,
    });
  }

  open({ core, investigator, scanner, channel, threadOf, clock, resolved, leads }: InboundDependencies): void {
    const { telemetry, investigations, feedback, state } = this.#stores;
    const { metrics } = core.telemetry;
    this.#services = () => metrics.services();
    this.#names.refresh();
    const now = () => Date.now();
    const log = this.#log;
    this.#channel = channel;
    const alerts = new AlertRepository(state);
    this.#changes = new ChangeRecorder({
      sink: telemetry,
      changes: telemetry,
      memory: investigations,
      library: core.knowledge,
      clock,
      now,
      log,
    });
    this.#triage = new AlertTriage({
      alerts,
      store: investigations,
      investigator,
      channel,
      graph: core.graph,
      metrics,
      scanner,
      clock,
      now,
      log,
      resolved,
      leads,
      options: { step: this.#config.detection.stepSeconds * SECOND },
    });
    const { escalation } = this.#config;
    const pagers = pagersOf(this.#config, channel, threadOf);
    if (pagers.length === 0) return;
    this.#escalator = new Escalator({
      alerts,
      incidents: investigations,
      escalations: new EscalationRepository(state),
      onCall: onCallSource(this.#config),
      pagers,
      attended: async (id) => {
        const proposals = (await core.actions.list()).filter(({ investigationId }) => investigationId === id);
        const decided = proposals.some((one) => one.approvals.length > 0 || one.state === "denied");
        return decided || (await feedback.of(id)).length > 0;
      },
      channel,
      goesOn: async ({ openedAt }) => clock.now() - openedAt >= DOUBT_AFTER_STEPS * this.#config.detection.stepSeconds * SECOND,
      now,
      log,
      options: { after: escalation.afterMinutes * MINUTE, mostAnHour: escalation.mostAnHour },
    });
    core.actions.onPage(async ({ id, investigationId }, why) => {
      const incident = investigationId === null ? null : (await investigations.get(investigationId))?.incidentId;
      if (incident) await this.#escalator?.escalate(incident, { requester: "vigil", reason: `${id}: ${why}` });
    });
  }

  /** Where watchers hand changes; there once `open` was called. */
  get recorder(): ChangeRecorder {
    return ready(this.#changes);
  }

  /** An investigation is finished: where it found no cause, those on call may have to know. */
  async finished(investigation: Investigation): Promise<void> {
    const { report, incidentId } = investigation;
    if (!this.#config.escalation.whenUnsure || report?.outcome !== "unknown" || incidentId === null) return;
    if (this.#escalator) return this.#escalator.unsure(investigation);
    // Nobody can be called from here: the channel is told, once an incident.
    if (this.#doubted.has(incidentId)) return;
    this.#doubted.add(incidentId);
    await this.#channel?.tell(investigation.id, `**Please take over.** ${doubtWords(report)}.`);
  }

  /** What only one replica does: goes on with what a restart interrupted, and watches for what nobody takes up. */
  start(): void {
    this.#triage?.start();
    this.#escalator?.start();
  }

  /** Leaves alerts and escalations to another replica. */
  async rest(): Promise<void> {
    await this.#escalator?.close();
    await this.#triage?.rest();
  }

  /** Waits for what is being done; what comes later is answered with "try again". */
  async close(): Promise<void> {
    const [triage, changes, escalator] = [this.#triage, this.#changes, this.#escalator];
    this.#triage = null;
    this.#changes = null;
    this.#escalator = null;
    await escalator?.close();
    await triage?.close();
    await changes?.close();
  }
}

/** An anomaly that no alert has seen is worth a call when it lasts so long; the second look has then been taken. */
const DOUBT_AFTER_STEPS = 5;

function ready<T>(part: T | null): T {
  if (!part) throw new Error("Vigil is starting or stopping");
  return part;
}

/** How each sender shows who it is, by the configuration. */
function schemesOf(webhooks: Config["webhooks"]): Readonly<Record<Sender, readonly Scheme[]>> {
  const bearer = ({ token }: { readonly token?: string | undefined }): Scheme[] => (token ? [{ kind: "bearer", token }] : []);
  const signed = ({
    secret,
    signatureHeader,
    signaturePrefix,
    signatureEncoding,
    timestampHeader,
  }: Config["webhooks"]["generic"]): Scheme[] =>
    secret
      ? [
          {
            kind: "hmac",
            secret,
            header: signatureHeader,
            prefix: signaturePrefix,
            encoding: signatureEncoding,
            ...(timestampHeader ? { timestampHeader } : {}),
          },
        ]
      : [];
  const { grafana, pagerduty, github, gitlab } = webhooks;
  return {
    alertmanager: bearer(webhooks.alertmanager),
    grafana: [
      ...bearer(grafana),
      ...signed({ ...grafana, signatureHeader: "X-Grafana-Alerting-Signature", signaturePrefix: "", signatureEncoding: "hex" }),
    ],
    pagerduty: [
      ...bearer(pagerduty),
      ...signed({ ...pagerduty, signatureHeader: "X-PagerDuty-Signature", signaturePrefix: "v1=", signatureEncoding: "hex" }),
    ],
    generic: [...bearer(webhooks.generic), ...signed(webhooks.generic)],
    changes: [...bearer(webhooks.changes), ...signed(webhooks.changes)],
    github: signed({ ...github, signatureHeader: "X-Hub-Signature-256", signaturePrefix: "sha256=", signatureEncoding: "hex" }),
    gitlab: gitlab.token ? [{ kind: "header", header: "X-Gitlab-Token", token: gitlab.token }] : [],
    argocd: bearer(webhooks.argocd),
    unleash: bearer(webhooks.unleash),
  };
}

/** Services by the configuration, else by a name's last part when telemetry knows a service of that name. */
class ServiceNames {
  readonly #configured: Readonly<Record<string, readonly string[]>>;
  readonly #services: () => Promise<readonly string[]>;
  #known: ReadonlySet<string> = new Set();
  #readAt = 0;

  constructor(configured: Readonly<Record<string, readonly string[]>>, services: () => Promise<readonly string[]>) {
    this.#configured = configured;
    this.#services = services;
  }

  of(name: string): readonly string[] {
    if (Date.now() - this.#readAt >= MINUTE) this.refresh();
    const last = name.split("/").at(-1) ?? name;
    return this.#configured[name] ?? (this.#known.has(last) ? [last] : []);
  }

  /** What is known stays in use until telemetry has answered. */
  refresh(): void {
    this.#readAt = Date.now();
    this.#services().then(
      (names) => {
        this.#known = new Set(names);
      },
      () => {
        this.#readAt = 0;
      },
    );
  }
}
