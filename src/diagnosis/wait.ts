import type { CallsPerRequest } from "./call-rates.ts";
import { credence, type Evidence, strength } from "./evidence.ts";
import type { Walkable } from "./graph.ts";
import { shareBelow } from "./percentile.ts";
import type { Shift } from "./shift.ts";
import type { Weights } from "./weights.ts";

/** A callee with a smaller share of its caller's calls than this is hardly noticed in the caller's usual percentiles. */
const NOTICED = 0.05;

/**
 * Suspects services that their callers wait for although they see nothing wrong themselves: a slow network in front of them, or a lost
 * reply. Every caller that would notice must wait longer. Which callee it is shows in the percentiles of the caller's waiting: a callee that takes the share
 * s of its caller's calls can move only the percentiles above 1 - s (the quantiles of a mixture), and it does move those.
 * Shares come from the request rates and from what normal traffic tells about calls per request; a callee slowed by its own doing is blamed
 * elsewhere and takes the blame away from its siblings. A likelihood of our own, after the correlation of callers' and callees' latencies in MicroRCA
 * (Wu et al. 2020); assumes that callers measure what they wait and that a caller's calls take turns rather than race.
 */
export function waitEvidence(
  shifts: readonly Shift[],
  slower: (service: string) => number,
  graph: Walkable,
  calls: CallsPerRequest,
  weights: Weights,
): Evidence[] {
  const waits = new Map<string, Shift[]>();
  const traffic = new Map<string, number>();
  for (const shift of shifts) {
    if (shift.kind === "outgoing-latency") waits.set(shift.service, [...(waits.get(shift.service) ?? []), shift]);
    if (shift.kind === "traffic" && Number.isFinite(shift.from)) traffic.set(shift.service, shift.from);
  }
  const wait = (caller: string) => Math.max(0, ...(waits.get(caller) ?? []).map(({ z }) => (z > 0 ? strength(z) : 0)));
  const shares = new Map([...waits.keys()].map((caller) => [caller, sharesOfCallees(caller, traffic, graph, calls)]));
  const fits = new Map(
    [...waits].map(([caller, quantiles]) => [caller, fitOfCallees(quantiles, shares.get(caller) ?? new Map())]),
  );
  const services = new Set([...waits.keys()].flatMap((caller) => [...graph.callees(caller)]).filter((one) => traffic.has(one)));
  return [...services].flatMap((service) => {
    const callers = [...graph.callers(service)].filter((one) => waits.has(one));
    const noticing = callers.filter((one) => (shares.get(one)?.get(service) ?? 0) >= NOTICED);
    const least = Math.min(...(noticing.length > 0 ? noticing : callers).map(wait));
    if (callers.length === 0 || least <= 0) return [];
    const siblings = callers.flatMap((caller) => [...graph.callees(caller)]).filter((one) => one !== service);
    const unexplained = Math.max(0, least - Math.max(0, ...siblings.map(slower)));
    const fit = callers.reduce((product, caller) => product * (fits.get(caller)?.get(service) ?? 1), 1) ** (1 / callers.length);
    const weight = (weights.waited * unexplained + weights.waitedAnyway * least) * fit;
    const reason = `all its callers (${callers.join(", ")}) wait longer for what they call, and its share of their calls fits (${Math.round(fit * 100)} %)`;
    return [{ service, weight, reason }];
  });
}

/** How the calls of a service are shared among its callees. */
function sharesOfCallees(
  caller: string,
  traffic: ReadonlyMap<string, number>,
  graph: Walkable,
  calls: CallsPerRequest,
): Map<string, number> {
  const callees = [...graph.callees(caller)].filter((one) => traffic.has(one));
  const rates = callees.map((callee): [string, number] => {
    const requests = traffic.get(callee) ?? 0;
    const each = calls(caller, callee);
    return [callee, each === null ? requests : Math.min(requests, each * (traffic.get(caller) ?? 0))];
  });
  const total = rates.reduce((sum, [, rate]) => sum + rate, 0);
  return new Map(rates.map(([callee, rate]) => [callee, total === 0 ? 0 : rate / total]));
}

/** How well each callee's share of the calls explains which percentiles moved, the best fit being 1. */
function fitOfCallees(quantiles: readonly Shift[], shares: ReadonlyMap<string, number>): Map<string, number> {
  const likelihoods = [...shares].map(([callee, portion]): [string, number] => {
    const share = Math.max(1e-4, portion);
    let likelihood = 1;
    for (const shift of quantiles) {
      const below = shareBelow(shift);
      if (below === null) continue;
      const beyond = 1 - below;
      const expected = 1 / (1 + (beyond / share) ** 2);
      const moved = Math.min(0.95, Math.max(0.05, credence(Math.max(0, shift.z))));
      likelihood *= moved * expected + (1 - moved) * (1 - expected);
    }
    return [callee, likelihood];
  });
  const best = Math.max(1e-9, ...likelihoods.map(([, likelihood]) => likelihood));
  return new Map(likelihoods.map(([callee, likelihood]) => [callee, Math.sqrt(likelihood / best)]));
}
