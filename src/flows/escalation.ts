import type { Incident } from "../domain/incident.ts";
import type { Investigation, InvestigationReport } from "../domain/investigation.ts";
import type { OnCallPerson, OnCallSource, Page, Pager } from "../domain/oncall.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";
import type { AlertRecord, AlertStore } from "./alert.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import type { InvestigationStore } from "./stores.ts";

export type EscalationState = "sending" | "sent" | "failed" | "withheld" | "closed";

/** One incident on one pager, for the record. */
export interface Escalation {
  readonly incidentId: string;
  readonly pager: string;
  readonly key: string;
  readonly investigationId: string | null;
  readonly state: EscalationState;
  readonly at: EpochMs;
  readonly requester: string;
  readonly reason: string;
  readonly people: readonly string[];
  readonly attempts: number;
  /** The pager's receipt, or why it failed or was withheld. */
  readonly outcome: string;
}

/** Every escalation, kept; every write is durable when its promise resolves. */
export interface EscalationStore {
  put(escalation: Escalation): Promise<void>;
  of(incidentId: string): Promise<Escalation[]>;
  since(at: EpochMs): Promise<Escalation[]>;
  /** Sent and not closed. */
  open(): Promise<Escalation[]>;
}

export interface EscalatorDependencies {
  readonly alerts: Pick<AlertStore, "firing">;
  readonly incidents: Pick<InvestigationStore, "incident" | "ofIncident">;
  readonly escalations: EscalationStore;
  readonly onCall: OnCallSource | null;
  readonly pagers: readonly Pager[];
  /** Whether somebody has acted on an investigation: approved, denied, or judged it. */
  readonly attended: (investigationId: string) => Promise<boolean>;
  readonly channel: IncidentChannel;
  /** Whether an incident has lasted long enough to call people although no alert has seen it. */
  readonly goesOn: (incident: Incident) => Promise<boolean>;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
  readonly options: {
    /** How long a critical alert may fire unattended. */
    readonly after: Milliseconds;
    /** Pages in an hour, over all incidents; what is beyond is recorded and told in the channel only. */
    readonly mostAnHour: number;
    readonly every?: Milliseconds;
  };
}

const MOST_ATTEMPTS = 5;
const EVERY = 30_000;

/**
 * Calls people when a critical alert fires on and nobody has taken it up. Each incident is paged once on each pager; what is sent, failed
 * or withheld is recorded before and after, so that a crash in between sends it again under the same key rather than never.
 */
export class Escalator {
  readonly #deps: EscalatorDependencies;
  #timer: NodeJS.Timeout | null = null;
  #checking: Promise<void> = Promise.resolve();

  constructor(deps: EscalatorDependencies) {
    this.#deps = deps;
  }

  start(): void {
    const loop = () => {
      this.#checking = this.check().catch((error) => this.#deps.log.error({ err: error }, "escalations could not be looked at"));
      void this.#checking.then(() => {
        if (this.#timer) this.#timer = setTimeout(loop, this.#deps.options.every ?? EVERY);
      });
    };
    this.#timer = setTimeout(loop, this.#deps.options.every ?? EVERY);
  }

  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#checking;
  }

  /** Escalates what is due and closes what is over. */
  async check(): Promise<void> {
    const { alerts, options, now } = this.#deps;
    const waiting = (await alerts.firing()).filter(
      ({ severity, incidentId, receivedAt }) =>
        severity === "critical" && incidentId !== null && receivedAt <= now() - options.after,
    );
    for (const incidentId of new Set(waiting.flatMap(({ incidentId }) => incidentId ?? []))) {
      const incident = await this.#deps.incidents.incident(incidentId);
      if (incident?.state !== "open") continue;
      const investigation = await this.#deps.incidents.ofIncident(incidentId);
      if (investigation && (await this.#deps.attended(investigation.id))) continue;
      const mine = waiting.filter((alert) => alert.incidentId === incidentId);
      const minutes = Math.round((now() - Math.min(...mine.map(({ receivedAt }) => receivedAt))) / MINUTE);
      await this.#escalate(incident, investigation?.id ?? null, mine, {
        requester: "vigil",
        reason: `critical for ${minutes} minutes and nobody has taken it up`,
      });
    }
    await this.#closeResolved();
  }

  /** Escalates an incident at a person's word, whatever its alerts. */
  async escalate(incidentId: string, by: { readonly requester: string; readonly reason: string }): Promise<void> {
    const incident = await this.#deps.incidents.incident(incidentId);
    if (!incident) throw new Error(`There is no incident ${incidentId}.`);
    const firing = (await this.#deps.alerts.firing()).filter((alert) => alert.incidentId === incidentId);
    const investigation = await this.#deps.incidents.ofIncident(incidentId);
    await this.#escalate(incident, investigation?.id ?? null, firing, by);
  }

  /**
   * An investigation ended without a cause that it dares to name: those on call get what it ruled out and what is left. Once an incident; one
   * that no alert has seen must have gone on for a while, since what heals by itself is not worth waking anybody.
   */
  async unsure(investigation: Investigation): Promise<void> {
    const { report, incidentId, trigger } = investigation;
    if (!incidentId || !report || report.outcome !== "unknown") return;
    const incident = await this.#deps.incidents.incident(incidentId);
    if (incident?.state !== "open") return;
    const alerts = (await this.#deps.alerts.firing()).filter((alert) => alert.incidentId === incidentId);
    if (trigger !== "alert" && alerts.length === 0 && !(await this.#deps.goesOn(incident))) return;
    await this.#escalate(incident, investigation.id, alerts, { requester: "vigil", reason: doubtWords(report) });
  }

  async #escalate(
    incident: Incident,
    investigationId: string | null,
    alerts: readonly AlertRecord[],
    by: { readonly requester: string; readonly reason: string },
  ): Promise<void> {
    const { escalations, pagers, channel, now } = this.#deps;
    const done = await escalations.of(incident.id);
    const due = pagers.filter(({ name }) => {
      const before = done.find(({ pager }) => pager === name);
      const again = before && (before.state === "sending" || before.state === "withheld" || before.state === "failed");
      return !before || (again && before.attempts < MOST_ATTEMPTS);
    });
    if (due.length === 0) return;
    const [first] = alerts;
    const service = first?.service ?? incident.services[0] ?? null;
    const people = await this.#people(service);
    const page: Page = {
      key: `vigil-${incident.id}-${incident.openedAt.toString(36)}`,
      incidentId: incident.id,
      investigationId,
      summary: first ? `${first.title}${first.service ? ` on ${first.service}` : ""}` : incident.title,
      reason: by.reason,
      severity: first?.severity ?? "critical",
      service,
      details: {
        incident: incident.id,
        ...(investigationId ? { investigation: investigationId } : {}),
        services: incident.services.join(", "),
        alerts: String(alerts.length),
        reason: by.reason,
        ...(first?.summary ? { summary: first.summary } : {}),
        ...(first?.link ? { link: first.link } : {}),
      },
      at: now(),
    };
    const results: string[] = [];
    for (const pager of due) {
      const before = done.find(({ pager: name }) => name === pager.name);
      const result = await this.#page(pager, page, people, by.requester, before ?? null);
      if (result) results.push(result);
    }
    if (results.length > 0) await channel.tell(investigationId, `${results.join(" ")}${duty(people, service)}`);
  }

  /** Null when there is nothing to tell: it failed and is tried again, or it was withheld before. */
  async #page(
    pager: Pager,
    page: Page,
    people: readonly OnCallPerson[],
    requester: string,
    before: Escalation | null,
  ): Promise<string | null> {
    const { escalations, log, now, options } = this.#deps;
    const { key, incidentId, investigationId, reason } = page;
    const base = {
      incidentId,
      investigationId,
      key,
      pager: pager.name,
      at: now(),
      requester,
      reason,
      people: people.map(({ name }) => name),
      attempts: (before?.attempts ?? 0) + 1,
    };
    const recent = (await escalations.since(now() - HOUR)).filter(({ state }) => state !== "withheld");
    const others = new Set(recent.filter((one) => one.incidentId !== incidentId).map((one) => one.incidentId));
    if (others.size >= options.mostAnHour) {
      const outcome = `${options.mostAnHour} incidents were escalated within the hour already`;
      if (before?.state === "withheld") return null;
      await escalations.put({ ...base, state: "withheld", outcome, attempts: 0 });
      return `Not escalated by ${pager.name}: ${outcome}.`;
    }
    await escalations.put({ ...base, state: "sending", outcome: "" });
    try {
      const receipt = await pager.page(page, people);
      await escalations.put({ ...base, state: "sent", outcome: receipt });
      log.info({ incident: incidentId, pager: pager.name, receipt }, "escalated");
      return `Escalated by ${pager.name}: ${reason}.`;
    } catch (error) {
      const outcome = error instanceof Error ? error.message : String(error);
      await escalations.put({ ...base, state: "failed", outcome });
      log.error({ err: error, incident: incidentId, pager: pager.name }, "an escalation failed");
      return base.attempts >= MOST_ATTEMPTS ? `**Nobody was reached by ${pager.name}**: ${outcome}` : null;
    }
  }

  async #people(service: ServiceName | null): Promise<readonly OnCallPerson[]> {
    const { onCall, now, log } = this.#deps;
    if (!onCall) return [];
    return onCall.onCall(service, now()).catch((error) => {
      log.warn({ err: error, service }, "it is not known who is on call; the page goes out without a name");
      return [];
    });
  }

  async #closeResolved(): Promise<void> {
    const { escalations, incidents, pagers, log } = this.#deps;
    for (const escalation of await escalations.open()) {
      const incident = await incidents.incident(escalation.incidentId);
      const pager = pagers.find(({ name }) => name === escalation.pager);
      if (incident?.state !== "resolved" || !pager) continue;
      try {
        await pager.resolve(escalation);
        await escalations.put({ ...escalation, state: "closed" });
      } catch (error) {
        log.warn(
          { err: error, incident: incident.id, pager: pager.name },
          "a page could not be closed; the next look tries again",
        );
      }
    }
  }
}

const LONGEST_REASON = 600;

/** Why people are called: how unsure Vigil is, what it ruled out, and what is left. */
export function doubtWords({ confidence, hypotheses }: InvestigationReport): string {
  const words = (keep: (one: InvestigationReport["hypotheses"][number]) => boolean) =>
    hypotheses
      .filter((one) => one.cause !== "unknown" && keep(one))
      .slice(0, 3)
      .map(({ statement }) => statement)
      .join("; ");
  const out = words(({ status }) => status === "refuted");
  const left = words(({ status }) => status !== "refuted");
  const parts = [
    `I do not know the cause (${Math.round(confidence * 100)} % for the best guess)`,
    out ? `ruled out: ${out}` : "",
    left ? `still possible: ${left}` : "",
  ];
  return parts.filter(Boolean).join(". ").slice(0, LONGEST_REASON);
}

function duty(people: readonly OnCallPerson[], service: ServiceName | null): string {
  if (people.length === 0) return "";
  const names = people.map(({ name, schedule }) => `${name} (${schedule})`).join(", ");
  return ` On call${service ? ` for ${service}` : ""}: ${names}.`;
}
