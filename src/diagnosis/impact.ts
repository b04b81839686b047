import { credence, type Evidence, say, strength } from "./evidence.ts";
import { reachableFrom, type Walkable } from "./graph.ts";
import { type MetricKind, metricKind } from "./metric-kind.ts";
import { PERCENTILE, shareBelow, weightsOfMean } from "./percentile.ts";
import type { Shift } from "./shift.ts";
import type { Symptom } from "./types.ts";
import type { Weights } from "./weights.ts";

const MEAN = /^(average|mean|avg)$/i;
/** What a service's callers suffer more than before. */
interface Added {
  /** That shows it best. */
  readonly shift: Shift;
  /** Seconds of waiting, or failed requests, per interval; its callees' included. */
  readonly total: number;
}

/**
 * Walks from the symptom along the calls and asks how much of what its callers suffer each service adds by itself: the seconds of
 * added waiting, or the failed requests, per interval, minus what its own callees add. Weighing by requests lets a busy service outweigh a
 * proxy that saw a sample of its traffic. A service that does not show the symptom's kind of metric is looked through to what it calls, and is
 * a candidate after its caller; so is one to which no known calls lead, unless it is itself a caller of the symptom. After CauseInfer (Chen et al., 2014) and the counterfactual contributions of Budhathoki et al. (2022);
 * assumes that callers wait for callees, so that waiting adds up along the calls.
 */
export function impactEvidence(
  shifts: readonly Shift[],
  graph: Walkable,
  symptom: Symptom,
  { unseen: unseenShare }: Pick<Weights, "unseen">,
): Evidence[] {
  if (symptom.service === null || symptom.metric === null) return [];
  const kind = metricKind(symptom.metric);
  const added = addedBy(shifts, kind, requestsOf(shifts, graph));
  const seen = new Set(shifts.map(({ service }) => service));
  const below = reachableFrom(symptom.service, graph.callees);
  const above = reachableFrom(symptom.service, graph.callers);
  const own = [...new Set([...below, ...added.keys()])].flatMap((service) => {
    if (above.has(service) && !below.has(service)) return [];
    const { shift, total = 0 } = added.get(service) ?? {};
    if (shift === undefined || total <= 0) return [];
    const { measured, unmeasured } = calleesOf(service, graph, (one) => added.has(one));
    let explained = 0;
    for (const callee of measured) explained += Math.max(0, added.get(callee)?.total ?? 0);
    const unseen = [...unmeasured].filter((one) => seen.has(one));
    const doubt = below.has(service) ? 1 : unseenShare;
    return [{ service, shift, total, share: Math.max(0, 1 - explained / total), doubt, unseen }];
  });
  const most = Math.max(0, ...own.map(({ total }) => total));
  return own.flatMap(({ service, shift, total, share, doubt, unseen }) => {
    const weight = 10 * (total / most) * (0.02 + doubt * share) * Math.min(1, strength(shift.z) / 2);
    const moved = `${shift.metric} went from ${say(shift.from)} to ${say(shift.to)} (${say(Math.abs(shift.z))} spreads)`;
    const percent = `${Math.round(share * 100)} %`;
    return [
      { service, weight, reason: `${moved}; ${percent} of it is its own, not its callees'` },
      ...unseen.map((callee) => ({
        service: callee,
        weight: (unseenShare * weight) / unseen.length,
        reason: `${service} calls it, its ${shift.metric} is not measured, and no callee of ${service} explains ${percent} of what ${service} shows`,
      })),
    ];
  });
}

/** The nearest services down the calls that are measured, and those on the way that are not. */
function calleesOf(service: string, graph: Walkable, isMeasured: (service: string) => boolean) {
  const measured = new Set<string>();
  const unmeasured = new Set<string>();
  const open = [service];
  for (const one of open)
    for (const callee of graph.callees(one)) {
      if (callee === service || measured.has(callee) || unmeasured.has(callee)) continue;
      (isMeasured(callee) ? measured : unmeasured).add(callee);
      if (!isMeasured(callee)) open.push(callee);
    }
  return { measured, unmeasured };
}

/**
 * Requests per interval, all in one unit: as the metric counts them that most services have, or where it does not, like those of the neighbours
 * along the calls (geometric mean).
 */
function requestsOf(shifts: readonly Shift[], graph: Walkable): (service: string) => number {
  const counts = new Map<string, Map<string, number>>();
  for (const { kind, service, metric, statistic, to } of shifts) {
    if (kind !== "traffic" || !Number.isFinite(to)) continue;
    const key = `${metric}|${statistic}`;
    counts.set(key, (counts.get(key) ?? new Map()).set(service, Math.max(0, to)));
  }
  const counted = [...counts.values()].reduce((most, one) => (one.size > most.size ? one : most), new Map<string, number>());
  return (service) => {
    const known = counted.get(service);
    if (known !== undefined) return known;
    const around = [...graph.callers(service), ...graph.callees(service)].flatMap((one) => counted.get(one) || []);
    return around.length === 0 ? 1 : Math.exp(around.reduce((sum, one) => sum + Math.log(one), 0) / around.length);
  };
}

function addedBy(shifts: readonly Shift[], kind: MetricKind, requests: (service: string) => number): Map<string, Added> {
  const groups = new Map<string, Shift[]>();
  for (const shift of shifts) {
    if (shift.kind !== kind || !shift.measured) continue;
    const known = groups.get(shift.service);
    if (known) known.push(shift);
    else groups.set(shift.service, [shift]);
  }
  const worse = (shift: Shift) => (kind === "availability" ? shift.from - shift.to : shift.to - shift.from) * credence(shift.z);
  return new Map(
    [...groups].map(([service, own]): [string, Added] => {
      const calls = kind === "availability" || kind === "latency" ? requests(service) : 1;
      const { shift, size } = meanOf(own, worse);
      return [service, { shift, total: size * calls }];
    }),
  );
}

/** How far the mean moved: as measured, or as the percentiles tell it, or else the most of any series. */
function meanOf(own: readonly Shift[], worse: (shift: Shift) => number): { readonly shift: Shift; readonly size: number } {
  const [first, ...rest] = own as [Shift, ...Shift[]];
  const mean = own.find(({ statistic }) => MEAN.test(statistic ?? ""));
  if (mean) return { shift: mean, size: worse(mean) };
  const largest = rest.reduce((most, one) => (worse(one) > worse(most) ? one : most), first);
  const shares = own.map(shareBelow);
  if (new Set(own.map(({ metric }) => metric.replace(PERCENTILE, ""))).size > 1 || shares.includes(null))
    return { shift: largest, size: worse(largest) };
  const weights = weightsOfMean(shares.map((share) => share ?? 0));
  return { shift: largest, size: own.reduce((sum, one, index) => sum + (weights[index] ?? 0) * worse(one), 0) };
}
