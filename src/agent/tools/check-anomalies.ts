import { z } from "zod";
import type { Anomaly } from "../../domain/anomaly.ts";
import { reachable } from "../../domain/service.ts";
import { type MetricSource, type Presence, SourceError } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";
import { utcClock } from "../time-words.ts";
import { deviation, number } from "../words.ts";
import { defineTool, knownService } from "./kit.ts";
import { serviceGraph } from "./service-dependencies.ts";

const MOST = 30;
const MOST_OF_ALL = 200;
const MOST_SHOWN = 12;
const MOST_TRIED = 4;

/** What is below the threshold has no beginning yet. */
const describe = (one: Anomaly): string =>
  `${deviation(one)}${one.score >= 1 ? ` since ${utcClock(one.startedAt)}` : ""} (${number(one.score)} times the threshold)`;

/** What was tried to tell a service that is gone from one whose telemetry is. */
async function whyGone(metrics: MetricSource, service: string, at: EpochMs): Promise<string> {
  if (!metrics.presence) return `${service}: the source of metrics answers and has other services, but nothing new of this one.`;
  try {
    const { targets, series } = await metrics.presence(service, at);
    const other = series > 0 ? `${series} other series of it still have samples` : "no series of it has samples";
    return `${service}: the source of metrics answers; ${targets ? said(targets) : "it knows no scrape target by this name (`up`)"}; ${other}.`;
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return `${service}: whether its scrape target is up could not be asked: ${error.message}`;
  }
}

function said({ up, down, gone }: NonNullable<Presence["targets"]>): string {
  const parts = [
    ...(down > 0 ? [`${down} scrape target${down > 1 ? "s" : ""} down (\`up\` is 0)`] : []),
    ...(gone > 0 ? [`${gone} scrape target${gone > 1 ? "s" : ""} gone from the list within the last hour`] : []),
    ...(up > 0 ? [`${up} scrape target${up > 1 ? "s" : ""} up`] : []),
  ];
  return parts.join(", ");
}

export const checkAnomalies = defineTool({
  name: "check_anomalies",
  description:
    "Which RED signals of services have left their seasonal baseline now. Without services: the service under investigation and everything related to it, or all services.",
  schema: z.object({
    services: z.array(z.string().min(1).max(200)).max(MOST).optional().describe("exact service names"),
    scope: z.enum(["related", "all"]).optional().describe("all: every service, for how everything is; default: related"),
  }),
  title: ({ services }) => `What else is anomalous${services ? ` in ${services.slice(0, 3).join(", ")}` : ""}?`,
  async run({ services: names, scope }, session, signal) {
    const { focus, deps } = session;
    let services: string[];
    if (names && names.length > 0) services = await Promise.all(names.map((name) => knownService(name, session)));
    else if (focus.service && scope !== "all") {
      const graph = await serviceGraph(session, signal);
      services = [focus.service, ...reachable(graph, focus.service, "callees"), ...reachable(graph, focus.service, "callers")];
    } else services = [...(await session.services())];
    const asked = [...new Set(services)];
    const wanted = asked.slice(0, scope === "all" ? MOST_OF_ALL : MOST);
    // Of a service that sends nothing, "within its baseline" would be a false comfort.
    const reporting = new Set(await deps.metrics.services().catch(() => wanted));
    const scanned = wanted.filter((one) => reporting.has(one));
    const silent = wanted.filter((one) => !reporting.has(one));
    // What is gone from the source's list is still watched, and may be the very thing to tell.
    const anomalies = await deps.scanner.scan(wanted, focus.now);
    const gone = [...new Set(anomalies.filter(({ kind }) => kind === "missing").map(({ service }) => service))];
    const tried = await Promise.all(gone.slice(0, MOST_TRIED).map((service) => whyGone(deps.metrics, service, focus.now)));
    const sorted = [...anomalies].sort((a, b) => b.score - a.score);
    // What is a little off tells a reasoner something, but is no alarm.
    const over = sorted.filter(({ score }) => score >= 1);
    const under = sorted.slice(over.length);
    const facts: Record<string, string | number> = {
      scanned: scanned.length,
      silent: silent.length,
      anomalies: over.length,
      below: under.length,
    };
    for (const one of sorted.slice(0, MOST_SHOWN))
      if (one.kind !== "missing")
        facts[`${one.service}.${one.signal}.change_percent`] = Number((one.relativeChange * 100).toFixed(1));
    return {
      evidence: {
        title: "Signals outside their baseline",
        summary: [
          scanned.length === 0
            ? "Nothing can be said: no metrics have arrived."
            : over.length === 0
              ? `All RED signals of ${scanned.length} services are within their seasonal baseline.`
              : `${over.length} signal${over.length === 1 ? "" : "s"} outside the baseline among ${scanned.length} services.`,
          ...over.slice(0, MOST_SHOWN).map((one) => `- ${describe(one)}`),
          ...(over.length > MOST_SHOWN ? [`${over.length - MOST_SHOWN} weaker ones were cut.`] : []),
          ...(asked.length > wanted.length ? [`${asked.length - wanted.length} further services were not looked at.`] : []),
          ...tried,
          ...(silent.length > 0 ? [`No metrics have arrived from ${silent.slice(0, MOST_SHOWN).join(", ")}.`] : []),
          ...(under.length > 0 ? [`A little off, below the threshold: ${under.slice(0, 4).map(describe).join("; ")}.`] : []),
        ].join("\n"),
        facts,
        services: [...new Set(sorted.map(({ service }) => service))],
        link: null,
        suspicious: false,
      },
      details: { kind: "anomalies", scanned, anomalies: sorted },
    };
  },
});
