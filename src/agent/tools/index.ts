import type { StructuredToolInterface } from "@langchain/core/tools";
import type { Session } from "../session.ts";
import { checkAnomalies } from "./check-anomalies.ts";
import { fetchLogs } from "./fetch-logs.ts";
import { fetchTraces } from "./fetch-traces.ts";
import { foreignTool } from "./foreign.ts";
import { getRunbook } from "./get-runbook.ts";
import { type ReadTool, type ToolLimits, toLangChainTool } from "./kit.ts";
import { listActions } from "./list-actions.ts";
import { listChanges } from "./list-changes.ts";
import { listIncidents } from "./list-incidents.ts";
import { proposalTool } from "./propose.ts";
import { queryMetrics } from "./query-metrics.ts";
import { rankRootCausesTool } from "./rank-root-causes.ts";
import { reopenInvestigation } from "./reopen-investigation.ts";
import { runCausalTest } from "./run-causal-test.ts";
import { searchPastChanges } from "./search-past-changes.ts";
import { searchPastIncidents } from "./search-past-incidents.ts";
import { serviceDependencies } from "./service-dependencies.ts";
import { submitReport } from "./submit-report.ts";
import { updateHypotheses } from "./update-hypotheses.ts";
import { whoIsOnCall } from "./who-is-on-call.ts";

/** Tools that only read. */
export const READ_TOOLS: readonly ReadTool[] = [
  queryMetrics,
  fetchLogs,
  fetchTraces,
  listChanges,
  searchPastChanges,
  searchPastIncidents,
  getRunbook,
  serviceDependencies,
  rankRootCausesTool,
  checkAnomalies,
  whoIsOnCall,
];

/** The same, and what is known of the whole: for questions, and for other agents. An investigation looks at its own case. */
export const ANSWERING_TOOLS: readonly ReadTool[] = [listIncidents, listActions, ...READ_TOOLS];

/** For answering a plain question: reading, and in an investigation's thread asking that it be taken up again. */
export async function questionTools(session: Session, limits: ToolLimits, inThread: boolean): Promise<StructuredToolInterface[]> {
  const all = [...ANSWERING_TOOLS, ...(await foreign(session))].map((one) => toLangChainTool(one, session, limits));
  return inThread ? [...all, reopenInvestigation(session)] : all;
}

/** For an investigation: reading, holding hypotheses, the causal test, one proposal tool for each action, and handing in the report. */
export async function investigationTools(session: Session, limits: ToolLimits): Promise<StructuredToolInterface[]> {
  const all = [...READ_TOOLS, ...(await foreign(session)), runCausalTest, ...session.deps.desk.actions.map(proposalTool)];
  return [...all.map((one) => toLangChainTool(one, session, limits)), updateHypotheses(session), submitReport(session)];
}

async function foreign(session: Session): Promise<ReadTool[]> {
  return ((await session.deps.foreign?.list()) ?? []).map(foreignTool);
}
