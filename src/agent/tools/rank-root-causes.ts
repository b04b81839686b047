import { z } from "zod";
import { reachable, type ServiceGraph } from "../../domain/service.ts";
import type { ServiceName } from "../../domain/telemetry.ts";
import { MINUTE } from "../../domain/time.ts";
import type { CauseRank } from "../findings.ts";
import type { Session } from "../session.ts";
import { type Comparison, compare, matters } from "../statistics/series.ts";
import { utcClock } from "../time-words.ts";
import { number, percent } from "../words.ts";
import { defineTool, knownService } from "./kit.ts";
import { serviceGraph } from "./service-dependencies.ts";

const MOST_SERVICES = 25;
const SIGNALS = ["latency", "errors"] as const;

/** How one service moved: seconds added to its mean latency, failed share added, and when. */
export interface Movement {
  readonly service: ServiceName;
  readonly latency: Comparison;
  readonly errors: Comparison;
}

export const rankRootCausesTool = defineTool({
  name: "rank_root_causes",
  description:
    "Compares a service with everything it calls and everything that calls it, before and during the incident, and ranks where the trouble starts (the first mover: anomalous itself, with no anomalous dependency that explains it).",
  schema: z.object({ service: z.string().min(1).max(200).describe("exact name of the service with the symptom") }),
  title: ({ service }) => `Where does the trouble of ${service} start?`,
  async run({ service: name }, session, signal) {
    const service = await knownService(name, session);
    const graph = await serviceGraph(session, signal);
    const around = [service, ...reachable(graph, service, "callees"), ...reachable(graph, service, "callers")];
    const services = [...new Set(around)].slice(0, MOST_SERVICES);
    const moved = await movements(services, session, signal);
    const ranked = rankMovers(moved, graph, service);
    const [first] = ranked;
    const facts: Record<string, string | number> = {
      services: services.length,
      anomalous: ranked.filter((one) => one.anomalous).length,
    };
    for (const one of moved.filter((each) => isAnomalous(each)).slice(0, 12)) {
      facts[`${one.service}.latency_change_percent`] = Number((one.latency.change * 100).toFixed(1));
      facts[`${one.service}.errors_percent`] = Number((one.errors.during.mean * 100).toFixed(2));
    }
    return {
      evidence: {
        title: `Where the trouble of ${service} starts`,
        summary: [
          first?.anomalous
            ? `First mover: ${first.service} (${first.why}).`
            : `None of ${services.length} related services moved beyond its noise.`,
          ...ranked.slice(0, 6).map((one) => `- ${one.service}: blame ${number(one.score)}, ${one.why}`),
          ...(around.length > services.length ? [`${around.length - services.length} further services were left out.`] : []),
        ].join("\n"),
        facts,
        services: ranked.slice(0, 6).map((one) => one.service),
        link: `/services/${encodeURIComponent(service)}`,
        suspicious: false,
      },
      details: { kind: "causes", service, ranked },
    };
  },
});

async function movements(services: readonly ServiceName[], session: Session, signal: AbortSignal): Promise<Movement[]> {
  const { before, during, step } = session;
  const results = await Promise.allSettled(
    services.map(async (service) => {
      const [latency, errors] = await Promise.all(
        SIGNALS.map(async (one) => {
          const [was, is] = await Promise.all(
            [before, during].map((window) => session.deps.metrics.red({ service, signal: one, step, ...window }, signal)),
          );
          return compare(was?.points ?? [], is?.points ?? []);
        }),
      );
      return { service, latency: latency as Comparison, errors: errors as Comparison };
    }),
  );
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

export function isAnomalous({ latency, errors }: Movement): boolean {
  return slowed(latency) || failed(errors);
}

const slowed = (one: Comparison) => matters(one) && one.change > 0;
const failed = (one: Comparison) => one.z >= 4 && one.during.mean - one.before.mean >= 0.005;

/**
 * Blames, among anomalous services, those whose own movement is not explained by an anomalous callee. Callers wait for callees, so
 * latency and failures travel against the calls; what a callee does not account for is the service's own (Chen et al., CauseInfer, 2014;
 * Kim et al., MonitorRank, 2013, walk the same graph).
 */
export function rankMovers(moved: readonly Movement[], graph: ServiceGraph, focus: ServiceName): CauseRank[] {
  const byName = new Map(moved.map((one) => [one.service, one]));
  const near = new Set([focus, ...reachable(graph, focus, "callees")]);
  const raw = moved.map((one) => {
    const anomalous = isAnomalous(one);
    const gained = one.latency.during.mean - one.latency.before.mean;
    const callees = graph.edges
      .filter(({ caller }) => caller === one.service)
      .flatMap(({ callee }) => byName.get(callee) ?? [])
      .filter(isAnomalous);
    const inherited = callees.reduce(
      (sum, callee) => sum + Math.max(0, callee.latency.during.mean - callee.latency.before.mean),
      0,
    );
    const ownShare = gained > 0 ? Math.max(0.05, 1 - inherited / gained) : callees.length > 0 ? 0.1 : 1;
    const failuresExplained = callees.some((callee) => failed(callee.errors));
    const strength =
      (slowed(one.latency) ? Math.min(3, Math.abs(one.latency.change) * 5) * ownShare : 0) +
      (failed(one.errors)
        ? Math.min(3, (one.errors.during.mean - one.errors.before.mean) * 20) * (failuresExplained ? 0.1 : 1)
        : 0);
    const blame = anomalous ? (strength + 0.05) * (near.has(one.service) ? 1 : 0.2) : 0;
    const onset = slowed(one.latency) ? one.latency.movedAt : failed(one.errors) ? one.errors.movedAt : null;
    return { one, anomalous, blame, onset, callees, ownShare };
  });
  const total = raw.reduce((sum, { blame }) => sum + blame, 0);
  return raw
    .map(({ one, anomalous, blame, onset, callees, ownShare }) => ({
      service: one.service,
      score: total === 0 ? 0 : blame / total,
      onset,
      anomalous,
      why: anomalous
        ? [
            ...(slowed(one.latency) ? [`latency ${percent(one.latency.change)}`] : []),
            ...(failed(one.errors)
              ? [`failures ${number(one.errors.during.mean * 100)} % after ${number(one.errors.before.mean * 100)} %`]
              : []),
            ...(onset === null ? [] : [`since about ${utcClock(onset)}`]),
            callees.length > 0
              ? `${Math.round((1 - ownShare) * 100)} % of it explained by ${callees.map(({ service }) => service).join(", ")}`
              : "no anomalous dependency explains it",
          ].join(", ")
        : `latency ${percent(one.latency.change)}, within its noise`,
    }))
    .sort((a, b) => b.score - a.score || (a.onset ?? Number.POSITIVE_INFINITY) - (b.onset ?? Number.POSITIVE_INFINITY) - MINUTE);
}
