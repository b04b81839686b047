import type { CallsPerRequest } from "./call-rates.ts";
import { type Evidence, say, strength } from "./evidence.ts";
import type { Walkable } from "./graph.ts";
import type { MetricKind } from "./metric-kind.ts";
import { quantile, sorted } from "./robust.ts";
import type { Shift } from "./shift.ts";
import { waitEvidence } from "./wait.ts";

const BACKGROUND = 0.75;
/** Fewer series than this do not tell what the system does as a whole. */
const COHORT = 20;

/** How far each kind of change speaks for a cause rather than for a consequence. */
const WEIGHTS: Record<MetricKind, { up: number; down: number }> = {
  cpu: { up: 1.2, down: 0.2 },
  memory: { up: 0.8, down: 0.05 },
  latency: { up: 1, down: 0.1 },
  "outgoing-latency": { up: 0.2, down: 0 },
  errors: { up: 1, down: 0 },
  availability: { up: 0, down: 1 },
  traffic: { up: 0.2, down: 0.3 },
  network: { up: 0.2, down: 0.3 },
  disk: { up: 0.3, down: 0.4 },
  host: { up: 0.2, down: 0 },
  other: { up: 0.2, down: 0.2 },
};

/**
 * Signs from metrics alone, one per service and kind (the strongest), so that ten copies of a percentile do not outvote the rest. Three
 * readings of the graph: a service whose callees slowed more than proportionally is discounted; one whose every caller waits longer for its calls while it
 * sees nothing itself is suspected of a slow network in front of it; a caller's waiting is never its own fault. After the USE method (Gregg, 2013)
 * and CauseInfer (Chen et al., 2014).
 */
export function metricEvidence(all: readonly Shift[], graph: Walkable, calls: CallsPerRequest): Evidence[] {
  const shifts = aboveBackground(all);
  const strongest = new Map<string, Shift>();
  for (const shift of shifts) {
    const key = `${shift.service}|${shift.kind}`;
    if (worth(shift) > worth(strongest.get(key))) strongest.set(key, shift);
  }
  const of = (service: string, kind: MetricKind) => strongest.get(`${service}|${kind}`);
  const slower = (service: string) => Math.max(0, worth(of(service, "latency")));
  const evidence = [...strongest.values()].map((shift): Evidence => {
    const inherited = shift.kind === "latency" ? Math.max(0, ...[...graph.callees(shift.service)].map(slower)) : 0;
    const share = inherited === 0 ? 1 : Math.max(0.2, 1 - inherited / Math.max(worth(shift), 1e-9));
    const slowedBy = inherited > 0 ? `; ${Math.round((1 - share) * 100)} % explained by slower callees` : "";
    return {
      service: shift.service,
      weight: worth(shift) * share,
      reason: `${shift.metric} went from ${say(shift.from)} to ${say(shift.to)} (${say(Math.abs(shift.z))} spreads)${slowedBy}`,
    };
  });
  return [...evidence, ...waitEvidence(shifts, slower, graph, calls)].filter(({ weight }) => weight > 0);
}

/**
 * Takes from every shift what the whole system does at that time: when load or a shared host moves most services, only what stands out
 * from the others is a sign.
 */
function aboveBackground(shifts: readonly Shift[]): Shift[] {
  const sizes = new Map<string, number[]>();
  const seriesOf = ({ metric, statistic }: Shift) => `${metric}|${statistic}`;
  for (const shift of shifts) sizes.set(seriesOf(shift), [...(sizes.get(seriesOf(shift)) ?? []), Math.abs(shift.z)]);
  const background = new Map(
    [...sizes].map(([series, all]) => [series, all.length < COHORT ? 0 : quantile(sorted(all), BACKGROUND)]),
  );
  return shifts.map((shift) => {
    const z = Math.sign(shift.z) * Math.max(0, Math.abs(shift.z) - (background.get(seriesOf(shift)) ?? 0));
    return { ...shift, z };
  });
}

function worth(shift: Shift | undefined): number {
  if (shift === undefined) return 0;
  const { up, down } = WEIGHTS[shift.kind];
  return strength(shift.z) * (shift.z > 0 ? up : down);
}
