import { z } from "zod";
import type { OpenCase } from "../../domain/incident.ts";
import type { EpochMs } from "../../domain/time.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import { utc, utcClock } from "../time-words.ts";
import { defineTool, range, type ToolResult } from "./kit.ts";

const SHOWN = 8;

export const listIncidents = defineTool({
  name: "list_incidents",
  description:
    "What is going on now as Vigil knows it: open incidents with their investigation, leading hypothesis and confidence, and the actions that await approval or run.",
  schema: z.object({
    since: z.string().max(40).optional().describe("also what began since then and is over: ISO 8601 UTC, 02:00 or -12h"),
  }),
  cached: false,
  title: () => "Which incidents are open?",
  async run({ since }, session): Promise<ToolResult> {
    const cases = (await session.deps.openCases?.()) ?? [];
    const { now } = session.focus;
    const from = since === undefined ? null : range({ from: since }, session, { from: now, to: now }).from;
    const past = from === null ? [] : ((await session.deps.pastCases?.(from)) ?? []);
    const facts: Record<string, string | number> = { open: cases.length, ...(from === null ? {} : { over: past.length }) };
    for (const { investigation, incident } of cases.slice(0, SHOWN)) {
      facts[`${investigation.id}.state`] = incident?.state ?? investigation.state;
      if (investigation.report) facts[`${investigation.id}.confidence`] = Number(investigation.report.confidence.toFixed(2));
    }
    const waiting = cases.flatMap(({ proposals }) => proposals).filter(({ state }) => state === "pending").length;
    const head =
      cases.length === 0
        ? "No incident is open."
        : `${cases.length} incident${cases.length === 1 ? " is" : "s are"} open${waiting > 0 ? `; ${waiting} action${waiting === 1 ? " awaits" : "s await"} approval` : ""}.`;
    return {
      evidence: {
        title: "Open incidents",
        summary: [
          head,
          ...cases.slice(0, SHOWN).map((one) => `- ${describeCase(one)}`),
          ...(from === null
            ? []
            : [past.length === 0 ? `None that began since ${utc(from)} is over.` : `Over, begun since ${utc(from)}:`]),
          ...past.slice(0, SHOWN).map((one) => `- ${describeCase(one, utc)}`),
          ...(past.length > SHOWN ? [`${past.length - SHOWN} more were cut.`] : []),
          ...(cases.length > SHOWN ? [`${cases.length - SHOWN} older ones were cut.`] : []),
        ].join("\n"),
        facts,
        services: [...new Set(cases.flatMap(({ incident }) => incident?.services ?? []))],
        link: null,
        suspicious: false,
      },
      details: { kind: "open_incidents", cases },
    };
  },
});

/** `INV-1, since 03:05 UTC: api latency is +11 %, most likely because of … (97 %). PRO-1 awaits approval: flag … 28% → 1%.` */
function describeCase({ investigation, incident, proposals }: OpenCase, when: (at: EpochMs) => string = utcClock): string {
  const { report, anomalies, question } = investigation;
  const [worst] = anomalies;
  const what = report?.headline ?? (worst ? `${worst.service} ${worst.signal.replace("_", " ")} is being looked into` : question);
  const sure = report?.outcome === "cause_found" ? ` Confidence ${Math.round(report.confidence * 100)} %.` : "";
  // As the card says it: when it began, rather than when it was noticed.
  const began = worst?.startedAt ?? incident?.openedAt;
  const since = began === undefined ? "" : `, since ${when(began)}`;
  const mitigated = incident?.state === "mitigated" ? ", mitigated" : "";
  const actions = proposals.map(
    (one) => ` ${one.id} ${STATES[one.state] ?? `is ${one.state.replace("_", " ")}`}: ${one.summary}.`,
  );
  return `${investigation.id}${since}${mitigated}: ${cleanUntrusted(what ?? "", 240).text}${sure}${actions.join("")}`;
}

/** Of a proposal, after its id: as people read it in a list. */
const STATES: Readonly<Record<string, string>> = { pending: "awaits approval", verifying: "runs and is being watched" };
