import { quantile, sorted } from "../domain/quantile.ts";
import type { CallsPerRequest } from "./call-rates.ts";
import { type Evidence, say, strength } from "./evidence.ts";
import type { Walkable } from "./graph.ts";
import type { MetricKind } from "./metric-kind.ts";
import type { Shift } from "./shift.ts";
import { waitEvidence } from "./wait.ts";
import type { Weights } from "./weights.ts";

/** Fewer series than this do not tell what the system does as a whole. */
const COHORT = 20;

type Meaning = "cause" | "either" | "good";

/** What each kind's move tells: a cause at work there, either that or a consequence of something elsewhere, or that all is well. */
const MEANING: Record<MetricKind, { readonly up: Meaning; readonly down: Meaning }> = {
  cpu: { up: "cause", down: "either" },
  memory: { up: "cause", down: "good" },
  latency: { up: "cause", down: "good" },
  "outgoing-latency": { up: "either", down: "good" },
  errors: { up: "cause", down: "good" },
  availability: { up: "good", down: "cause" },
  traffic: { up: "either", down: "either" },
  network: { up: "either", down: "either" },
  disk: { up: "either", down: "either" },
  host: { up: "either", down: "good" },
  other: { up: "either", down: "either" },
};

/**
 * Signs from metrics alone, one per service and kind (the strongest), so that ten copies of a percentile do not outvote the rest. Three
 * readings of the graph: a service whose callees slowed more than proportionally is discounted; one whose every caller waits longer for its calls while it
 * sees nothing itself is suspected of a slow network in front of it; a caller's waiting is never its own fault. After the USE method (Gregg, 2013)
 * and CauseInfer (Chen et al., 2014).
 */
export function metricEvidence(all: readonly Shift[], graph: Walkable, calls: CallsPerRequest, weights: Weights): Evidence[] {
  const shifts = aboveBackground(all, weights.background);
  const worth = (shift: Shift | undefined) => worthOf(shift, weights);
  const strongest = new Map<string, Shift>();
  for (const shift of shifts) {
    const key = `${shift.service}|${shift.kind}`;
    if (worth(shift) > worth(strongest.get(key))) strongest.set(key, shift);
  }
  const of = (service: string, kind: MetricKind) => strongest.get(`${service}|${kind}`);
  const slower = (service: string) => Math.max(0, worth(of(service, "latency")));
  const evidence = [...strongest.values()].map((shift): Evidence => {
    const inherited = shift.kind === "latency" ? Math.max(0, ...[...graph.callees(shift.service)].map(slower)) : 0;
    const share = inherited === 0 ? 1 : Math.max(weights.leastOwn, 1 - inherited / Math.max(worth(shift), 1e-9));
    const slowedBy = inherited > 0 ? `; ${Math.round((1 - share) * 100)} % explained by slower callees` : "";
    return {
      service: shift.service,
      weight: worth(shift) * share,
      reason: `${shift.metric} went from ${say(shift.from)} to ${say(shift.to)} (${say(Math.abs(shift.z))} spreads)${slowedBy}`,
    };
  });
  return [...evidence, ...waitEvidence(shifts, slower, graph, calls, weights)].filter(({ weight }) => weight > 0);
}

/**
 * Takes from every shift what the whole system does at that time: when load or a shared host moves most services, only what stands out
 * from the others is a sign.
 */
function aboveBackground(shifts: readonly Shift[], share: number): Shift[] {
  const sizes = new Map<string, number[]>();
  const seriesOf = ({ metric, statistic }: Shift) => `${metric}|${statistic}`;
  for (const shift of shifts) sizes.set(seriesOf(shift), [...(sizes.get(seriesOf(shift)) ?? []), Math.abs(shift.z)]);
  const background = new Map([...sizes].map(([series, all]) => [series, all.length < COHORT ? 0 : quantile(sorted(all), share)]));
  return shifts.map((shift) => {
    const z = Math.sign(shift.z) * Math.max(0, Math.abs(shift.z) - (background.get(seriesOf(shift)) ?? 0));
    return { ...shift, z };
  });
}

function worthOf(shift: Shift | undefined, { consequence }: Weights): number {
  if (shift === undefined || shift.z === 0) return 0;
  const speaks = MEANING[shift.kind][shift.z > 0 ? "up" : "down"];
  return strength(shift.z) * (speaks === "cause" ? 1 : speaks === "either" ? consequence : 0);
}
