import { z } from "zod";
import { reachable } from "../../domain/service.ts";
import { utcClock } from "../time-words.ts";
import { number, percent } from "../words.ts";
import { defineTool, knownService } from "./kit.ts";
import { serviceGraph } from "./service-dependencies.ts";

const MOST = 30;

export const checkAnomalies = defineTool({
  name: "check_anomalies",
  description:
    "Which RED signals of services have left their seasonal baseline now. Without services: the service under investigation and everything related to it, or all services.",
  schema: z.object({ services: z.array(z.string().min(1).max(200)).max(MOST).optional().describe("exact service names") }),
  title: ({ services }) => `What else is anomalous${services ? ` in ${services.slice(0, 3).join(", ")}` : ""}?`,
  async run({ services: names }, session, signal) {
    const { focus, deps } = session;
    let services: string[];
    if (names && names.length > 0) services = await Promise.all(names.map((name) => knownService(name, session)));
    else if (focus.service) {
      const graph = await serviceGraph(session, signal);
      services = [focus.service, ...reachable(graph, focus.service, "callees"), ...reachable(graph, focus.service, "callers")];
    } else services = [...(await session.services())];
    const scanned = [...new Set(services)].slice(0, MOST);
    const anomalies = await deps.scanner.scan(scanned, focus.now);
    const sorted = [...anomalies].sort((a, b) => b.score - a.score);
    const facts: Record<string, string | number> = { scanned: scanned.length, anomalies: anomalies.length };
    for (const one of sorted.slice(0, 12))
      facts[`${one.service}.${one.signal}.change_percent`] = Number((one.relativeChange * 100).toFixed(1));
    return {
      evidence: {
        title: "Signals outside their baseline",
        summary:
          sorted.length === 0
            ? `All RED signals of ${scanned.length} services are within their seasonal baseline.`
            : [
                `${sorted.length} signal${sorted.length === 1 ? "" : "s"} outside the baseline among ${scanned.length} services.`,
                ...sorted
                  .slice(0, 12)
                  .map(
                    (one) =>
                      `- ${one.service} ${one.signal} ${percent(one.relativeChange)} since ${utcClock(one.startedAt)} (${number(one.score)} times the threshold)`,
                  ),
                ...(sorted.length > 12 ? [`${sorted.length - 12} weaker ones were cut.`] : []),
              ].join("\n"),
        facts,
        services: [...new Set(sorted.map(({ service }) => service))],
        link: null,
        suspicious: false,
      },
      details: { kind: "anomalies", scanned, anomalies: sorted },
    };
  },
});
