import { z } from "zod";
import { type RootCause, rankRootCauses } from "../../diagnosis/index.ts";
import { lookAddress } from "../../domain/look-address.ts";
import { reachable } from "../../domain/service.ts";
import type { ServiceName } from "../../domain/telemetry.ts";
import type { CauseRank } from "../findings.ts";
import type { Session } from "../session.ts";
import { type Comparison, compare, matters } from "../statistics/series.ts";
import { utcClock } from "../time-words.ts";
import { number, percent } from "../words.ts";
import { diagnosisInput } from "./diagnosis-input.ts";
import { defineTool, knownService } from "./kit.ts";
import { serviceGraph } from "./service-dependencies.ts";

const MOST_SERVICES = 60;
const SIGNALS = ["latency", "errors"] as const;
/**
 * Ranking scores are sums of logarithms of how unusual each sign is: below this, no service stands out from noise. In windows of normal time of
 * public recordings the first score stays below it nine times in ten.
 */
const STANDS_OUT = 1.5;

/** How one service moved: its mean latency and its failed share before and during the incident. */
interface Movement {
  readonly latency: Comparison;
  readonly errors: Comparison;
}

export const rankRootCausesTool = defineTool({
  name: "rank_root_causes",
  description:
    "Ranks services by how likely the trouble starts there, from requests, resource metrics, log lines and traces before and during the incident, along the calls. With a service: that one, all it calls and all that call it. Without: every service.",
  schema: z.object({
    service: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe("exact name of the service with the symptom; leave out when it is not known"),
  }),
  title: ({ service }) => `Where does the trouble${service ? ` of ${service}` : ""} start?`,
  async run({ service: name }, session, signal) {
    const service = name ? await knownService(name, session) : null;
    const graph = await serviceGraph(session, signal);
    const around = service
      ? [service, ...reachable(graph, service, "callees"), ...reachable(graph, service, "callers")]
      : await session.services();
    const related = [...new Set(around)];
    const services = related.slice(0, MOST_SERVICES);
    const [input, moved] = await Promise.all([
      diagnosisInput(services, graph, session, signal),
      movements(services, session, signal),
    ]);
    const ranking = rankRootCauses({ ...input, symptom: { ...input.symptom, service: service ?? input.symptom.service } });
    const ranked = explain(
      ranking.filter((one) => services.includes(one.service)),
      moved,
    );
    const [first] = ranked;
    const anomalous = ranked.filter((one) => one.anomalous);
    const facts: Record<string, string | number> = { services: services.length, anomalous: anomalous.length };
    for (const { service: one } of anomalous.slice(0, 12)) {
      const movement = moved.get(one);
      if (!movement) continue;
      facts[`${one}.latency_change_percent`] = Number((movement.latency.change * 100).toFixed(1));
      facts[`${one}.errors_percent`] = Number((movement.errors.during.mean * 100).toFixed(2));
    }
    return {
      evidence: {
        title: `Where the trouble${service ? ` of ${service}` : ""} starts`,
        summary: [
          first?.anomalous
            ? `First mover: ${first.service} (${first.why}).`
            : `None of ${services.length} related services moved beyond its noise.`,
          ...ranked.slice(0, 6).map((one) => `- ${one.service}: blame ${number(one.score)}, ${one.why}`),
          ...(related.length > services.length ? [`${related.length - services.length} further services were left out.`] : []),
        ].join("\n"),
        facts,
        services: ranked.slice(0, 6).map((one) => one.service),
        link: service ? lookAddress(`/services/${encodeURIComponent(service)}`, session.during) : null,
        suspicious: false,
      },
      details: { kind: "causes", service, ranked },
    };
  },
});

async function movements(
  services: readonly ServiceName[],
  session: Session,
  signal: AbortSignal,
): Promise<ReadonlyMap<ServiceName, Movement>> {
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
      return [service, { latency, errors } as Movement] as const;
    }),
  );
  return new Map(results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])));
}

const slowed = (one: Comparison) => matters(one) && one.change > 0;
const failed = (one: Comparison) => one.z >= 4 && one.during.mean - one.before.mean >= 0.005;

/** Scores as shares of blame, in the words that people use: how far the service's own signals moved, then what the ranking saw. */
function explain(ranking: readonly RootCause[], moved: ReadonlyMap<ServiceName, Movement>): CauseRank[] {
  const total = ranking.reduce((sum, { score }) => sum + Math.max(0, score), 0);
  return ranking.map(({ service, score, reasons }) => {
    const movement = moved.get(service);
    const slow = movement !== undefined && slowed(movement.latency);
    const failing = movement !== undefined && failed(movement.errors);
    const onset = slow ? movement.latency.movedAt : failing ? movement.errors.movedAt : null;
    const anomalous = slow || failing || score >= STANDS_OUT;
    const why = [
      ...(slow ? [`latency ${percent(movement.latency.change)}`] : []),
      ...(failing
        ? [`failures ${number(movement.errors.during.mean * 100)} % after ${number(movement.errors.before.mean * 100)} %`]
        : []),
      ...(onset === null ? [] : [`since about ${utcClock(onset)}`]),
      ...(anomalous ? onceEach(reasons, slow ? ["latency"] : []).slice(0, 3) : ["within its noise"]),
    ];
    return { service, score: total === 0 ? 0 : Math.max(0, score) / total, onset, anomalous, why: why.join("; ") };
  });
}

/** Reasons without what was said already: the same metric's movement once more, seen by another method. */
function onceEach(reasons: readonly string[], told: readonly string[]): string[] {
  const known = new Set(told);
  return reasons.flatMap((reason) => {
    const [movement = "", metric = ""] = /^(\S+) went from .*? spreads\)(?:; )?/.exec(reason) ?? [];
    const rest = known.has(metric) ? reason.slice(movement.length) : reason;
    known.add(metric);
    return rest === "" ? [] : [rest];
  });
}
