import { type MetricKind, metricKind } from "../../diagnosis/metric-kind.ts";
import type { Focus } from "../../domain/investigation.ts";
import { findingsOf, type SeriesFinding } from "../findings.ts";
import { matters } from "../statistics/series.ts";
import { percent } from "../words.ts";
import { type Facts, ONSET_SLACK, type Reason, type Suspect, suspect } from "./suspect.ts";

/** The service that moved first as the cause, through a resource of its own where one moved. */
export function suspectMovers(focus: Focus, facts: Facts): Suspect[] {
  const { mover } = facts;
  if (!mover) return [];
  const away = mover.service !== focus.service;
  const reasons: Reason[] = [
    { words: `${mover.service} moved first: ${mover.why}`, weight: away ? 2.5 : 0.5, evidence: mover.id, tests: "first" },
  ];
  const measured = findingsOf(facts.findings, "metrics").filter(({ details }) => details.service === mover.service);
  const load = measured.flatMap(({ evidence, details }) =>
    details.series.filter(({ signal }) => signal === "rate").map((rate) => ({ rate, id: evidence.id })),
  )[0];
  const loaded = load !== undefined && matters(load.rate, 0.15) && load.rate.change > 0 ? load.rate.change : 0;
  let gauge: SeriesFinding | null = null;
  for (const { evidence, details } of measured) {
    const moved = details.series
      .filter((one) => isResource(one) && matters(one, 0.15) && !followsLoad(one.change, loaded))
      .sort((a, b) => Math.abs(b.z) - Math.abs(a.z))[0];
    if (!moved) continue;
    gauge = moved;
    reasons.push({
      words: `its ${moved.name} went ${percent(moved.change)}`,
      weight: 2,
      evidence: evidence.id,
      tests: "resource",
    });
    break;
  }
  // Usage that rises with the requests is a consequence: whoever sends them is nearer to the cause (utilisation law, Denning and Buzen 1978).
  if (load && loaded > 0)
    reasons.push({ words: `its load rose, requests ${percent(loaded)}`, weight: -3, evidence: load.id, tests: "own" });
  const touching = facts.changes.filter(
    ({ services, at }) => services.includes(mover.service) && at <= focus.onset + ONSET_SLACK,
  );
  if (touching.length === 0)
    reasons.push({ words: "nobody changed it", weight: 1, evidence: facts.changesId, tests: "unchanged" });
  else
    reasons.push({
      words: "it was changed before the trouble began",
      weight: -1.5,
      evidence: facts.changesId,
      tests: "unchanged",
    });
  const grave = findingsOf(facts.findings, "logs").find(
    ({ details }) =>
      details.service === mover.service && details.fresh.some((one) => !one.suspicious && /WARN|ERROR|FATAL/.test(one.severity)),
  );
  if (grave) reasons.push({ words: "it logs new warnings or errors", weight: 0.7, evidence: grave.evidence.id });
  if (gauge === null && !away && touching.length === 0)
    reasons.push({ words: "no resource of it moved", weight: -1, evidence: null, tests: "resource" });
  const statement = gauge
    ? `${mover.service} runs into a limit (${gauge.name} ${percent(gauge.change)})${away ? ` and slows ${focus.service ?? "its callers"}` : ""}`
    : `${mover.service} itself became slow or failing${away ? `, and ${focus.service ? `${focus.service} waits` : "its callers wait"} for it` : ""}`;
  return [suspect(statement, gauge && !away ? "resource" : away ? "dependency" : "resource", mover.service, null, reasons)];
}

const SYMPTOMS: ReadonlySet<MetricKind> = new Set(["latency", "outgoing-latency", "errors", "availability", "traffic"]);

/** A gauge of something that can run out; latencies and counts that a backend hands over as gauges are symptoms. */
const isResource = ({ kind, name }: SeriesFinding): boolean => kind === "gauge" && !SYMPTOMS.has(metricKind(name));

/** True when the requests explain the rise: a gauge in proportion to its load, give or take fifteen per cent. */
const followsLoad = (change: number, load: number): boolean => load > 0 && change > 0 && (1 + change) / (1 + load) < 1.15;

export function suspectTraffic(focus: Focus, facts: Facts): Suspect {
  const own = findingsOf(facts.findings, "metrics").find(({ details }) => details.service === focus.service);
  const rate = own?.details.series.find(({ signal }) => signal === "rate");
  const statement = `More or different traffic on ${focus.service ?? "the service"}`;
  if (!own || !rate)
    return suspect(statement, "traffic", focus.service, null, [
      { words: "traffic was not measured", weight: -1, evidence: null },
    ]);
  const moved = matters(rate, 0.2) && rate.change > 0;
  if (!moved)
    return suspect(statement, "traffic", focus.service, null, [
      { words: `request rate is ordinary (${percent(rate.change)})`, weight: -2.5, evidence: own.evidence.id, tests: "load" },
    ]);
  // The focus is the service nearest to the users among those that are off, so what it gets more of comes from outside.
  const much = rate.change >= 0.5;
  return suspect(statement, "traffic", focus.service, null, [
    { words: `requests went ${percent(rate.change)}`, weight: much ? 3.5 : 2, evidence: own.evidence.id, tests: "load" },
  ]);
}

export function suspectNothing(focus: Focus, facts: Facts): Suspect {
  const reasons: Reason[] = [];
  const scan = findingsOf(facts.findings, "anomalies")[0];
  const own = findingsOf(facts.findings, "metrics").find(({ details }) => details.service === focus.service);
  const blind = own !== undefined && !own.details.series.some(({ signal, during }) => signal !== null && during.count > 0);
  if (blind) reasons.push({ words: `${focus.service} sends nothing that could show it`, weight: -1, evidence: own.evidence.id });
  else if (scan) {
    reasons.push(
      scan.details.anomalies.length === 0
        ? { words: "every signal is within its seasonal baseline", weight: 3, evidence: scan.evidence.id, tests: "baseline" }
        : {
            words: `${scan.details.anomalies.length} signals are outside their baseline`,
            weight: -4,
            evidence: scan.evidence.id,
            tests: "baseline",
          },
    );
  }
  const moved = own?.details.series.find(({ signal, ...rest }) => signal !== null && signal !== "rate" && matters({ ...rest }));
  if (own && !blind) {
    reasons.push(
      moved
        ? { words: `${moved.name} moved ${percent(moved.change)}`, weight: -2, evidence: own.evidence.id, tests: "still" }
        : { words: "latency and errors did not move", weight: 2, evidence: own.evidence.id, tests: "still" },
    );
  }
  return suspect("Nothing is wrong: noise or an ordinary swing", "none", null, null, reasons);
}
