import type { Anomaly } from "../domain/anomaly.ts";
import type { Focus } from "../domain/investigation.ts";
import { reachable } from "../domain/service.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { HOUR, MINUTE } from "../domain/time.ts";
import { understand } from "./offline/question.ts";
import type { AgentDependencies, InvestigateRequest } from "./types.ts";

/** What to look at: the anomaly nearest to the users among those handed in, or the one that a scan of the service asked about finds. */
export async function focusOf(request: InvestigateRequest, deps: AgentDependencies): Promise<Focus> {
  const now = deps.clock.now();
  if (request.anomalies.length > 0) return around(await fromTheTop(request.anomalies, deps, now), now, null);
  const services = await deps.metrics.services().catch((): readonly ServiceName[] => []);
  const asked = understand(request.question ?? "", services, now, null);
  const scanned = await deps.scanner.scan(asked.service ? [asked.service] : services, now).catch((): readonly Anomaly[] => []);
  return around(scanned, now, asked.service, asked.from === null ? null : Date.parse(asked.from));
}

/**
 * Puts first the anomaly whose service reaches most of the other anomalous ones along the calls: from the top, every suspect lies downstream,
 * while a look from the bottom would never see the caller that sends too much.
 */
async function fromTheTop(anomalies: readonly Anomaly[], deps: AgentDependencies, now: number): Promise<readonly Anomaly[]> {
  const open = anomalies.filter(({ endedAt }) => endedAt === null);
  const felt = (open.length > 0 ? open : anomalies).filter(({ signal }) => signal !== "rate");
  if (felt.length < 2) return felt.length > 0 ? felt : anomalies;
  const edges = await deps.traces.dependencies({ from: now - 6 * HOUR, to: now }).catch(() => []);
  const graph = { nodes: [], edges };
  const names = new Set(felt.map(({ service }) => service));
  const reach = (service: ServiceName) => reachable(graph, service, "callees").filter((one) => names.has(one)).length;
  const most = Math.max(...felt.map(({ service }) => reach(service)));
  return felt.filter(({ service }) => reach(service) === most);
}

function around(anomalies: readonly Anomaly[], now: number, service: ServiceName | null, from: number | null = null): Focus {
  const [worst] = [...anomalies].sort((a, b) => b.score - a.score);
  if (!worst) return { service, signal: null, direction: "up", onset: from ?? now - 30 * MINUTE, now };
  const onset = from ?? Math.min(...anomalies.filter((one) => one.service === worst.service).map(({ startedAt }) => startedAt));
  const { service: about, signal, direction } = worst;
  const silent = worst.kind === "missing" ? { silent: true } : {};
  return { service: about, signal, direction, onset: Math.min(onset, now - MINUTE), now, ...silent };
}
