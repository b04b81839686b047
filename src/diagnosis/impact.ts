import { credence, type Evidence, say, strength } from "./evidence.ts";
import { reachableFrom, type Walkable } from "./graph.ts";
import { metricKind } from "./metric-kind.ts";
import type { Shift } from "./shift.ts";
import type { Symptom } from "./types.ts";

const MEAN = /^(average|mean|avg)$/i;

/**
 * Walks from the symptom along the calls and asks how much of what its callers suffer each service adds by itself: the seconds of
 * added waiting, or the failed requests, per interval, minus what its own callees add. Weighing by requests lets a busy service outweigh a
 * proxy that saw a sample of its traffic. After CauseInfer (Chen et al., 2014) and the counterfactual contributions of Budhathoki et al. (2022);
 * assumes that callers wait for callees, so that waiting adds up along the calls.
 */
export function impactEvidence(shifts: readonly Shift[], graph: Walkable, symptom: Symptom): Evidence[] {
  if (symptom.service === null || symptom.metric === null) return [];
  const kind = metricKind(symptom.metric);
  const requests = new Map(
    shifts.filter((one) => one.kind === "traffic").map((one) => [one.service, Math.max(one.from, one.to, 0)]),
  );
  const added = new Map<string, { shift: Shift; total: number }>();
  for (const shift of shifts) {
    if (shift.kind !== kind || shift.z === 0) continue;
    const worse = kind === "availability" ? shift.from - shift.to : shift.to - shift.from;
    const calls = kind === "availability" || kind === "latency" ? (requests.get(shift.service) ?? 1) : 1;
    const total = worse * calls * credence(shift.z);
    const known = added.get(shift.service);
    if (known && MEAN.test(known.shift.statistic ?? "")) continue;
    if (!known || MEAN.test(shift.statistic ?? "") || total > known.total) added.set(shift.service, { shift, total });
  }
  const own = [...reachableFrom(symptom.service, graph)].flatMap((service) => {
    const { shift, total = 0 } = added.get(service) ?? {};
    if (shift === undefined || total <= 0) return [];
    let explained = 0;
    for (const callee of graph.callees(service)) explained += Math.max(0, added.get(callee)?.total ?? 0);
    return [{ service, shift, total, share: Math.max(0, 1 - explained / total) }];
  });
  const most = Math.max(0, ...own.map(({ total }) => total));
  return own.map(({ service, shift, total, share }) => ({
    service,
    weight: 10 * (total / most) * (0.02 + share) * Math.min(1, strength(shift.z) / 2),
    reason: `${shift.metric} went from ${say(shift.from)} to ${say(shift.to)} (${say(Math.abs(shift.z))} spreads); ${Math.round(share * 100)} % of it is its own, not its callees'`,
  }));
}
