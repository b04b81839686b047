import type { Anomaly } from "../domain/anomaly.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { MINUTE } from "../domain/time.ts";
import { understand } from "./offline/question.ts";
import type { Focus } from "./session.ts";
import type { AgentDependencies, InvestigateRequest } from "./types.ts";

/** What to look at: the strongest anomaly handed in, or the one that a scan of the service asked about finds. */
export async function focusOf(request: InvestigateRequest, deps: AgentDependencies): Promise<Focus> {
  const now = deps.clock.now();
  if (request.anomalies.length > 0) return around(request.anomalies, now, null);
  const services = await deps.metrics.services().catch((): readonly ServiceName[] => []);
  const asked = understand(request.question ?? "", services, now, null);
  const scanned = await deps.scanner.scan(asked.service ? [asked.service] : services, now).catch((): readonly Anomaly[] => []);
  return around(scanned, now, asked.service, asked.from === null ? null : Date.parse(asked.from));
}

function around(anomalies: readonly Anomaly[], now: number, service: ServiceName | null, from: number | null = null): Focus {
  const [worst] = [...anomalies].sort((a, b) => b.score - a.score);
  if (!worst) return { service, signal: null, direction: "up", onset: from ?? now - 30 * MINUTE, now };
  const onset = from ?? Math.min(...anomalies.filter((one) => one.service === worst.service).map(({ startedAt }) => startedAt));
  return { service: worst.service, signal: worst.signal, direction: worst.direction, onset: Math.min(onset, now - MINUTE), now };
}
