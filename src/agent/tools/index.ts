import type { StructuredToolInterface } from "@langchain/core/tools";
import type { Session } from "../session.ts";
import { checkAnomalies } from "./check-anomalies.ts";
import { fetchLogs } from "./fetch-logs.ts";
import { fetchTraces } from "./fetch-traces.ts";
import { getRunbook } from "./get-runbook.ts";
import { type ReadTool, type ToolLimits, toLangChainTool } from "./kit.ts";
import { listChanges } from "./list-changes.ts";
import { proposalTool } from "./propose.ts";
import { queryMetrics } from "./query-metrics.ts";
import { rankRootCausesTool } from "./rank-root-causes.ts";
import { runCausalTest } from "./run-causal-test.ts";
import { searchPastIncidents } from "./search-past-incidents.ts";
import { serviceDependencies } from "./service-dependencies.ts";
import { submitReport } from "./submit-report.ts";

/** Tools that only read. */
export const READ_TOOLS: readonly ReadTool[] = [
  queryMetrics,
  fetchLogs,
  fetchTraces,
  listChanges,
  searchPastIncidents,
  getRunbook,
  serviceDependencies,
  rankRootCausesTool,
  checkAnomalies,
];

/** For answering a plain question: reading, nothing else. */
export function questionTools(session: Session, limits: ToolLimits): StructuredToolInterface[] {
  return READ_TOOLS.map((one) => toLangChainTool(one, session, limits));
}

/** For an investigation: reading, the causal test, one proposal tool for each action, and handing in the report. */
export function investigationTools(session: Session, limits: ToolLimits): StructuredToolInterface[] {
  const all = [...READ_TOOLS, runCausalTest, ...session.deps.desk.actions.map(proposalTool)];
  return [...all.map((one) => toLangChainTool(one, session, limits)), submitReport(session)];
}
