/** Evaluation: scenarios with a known answer, run through the real agent and scored. */
export { generate, type Recorded } from "./generate.ts";
export { fromRecording, recordedSpan, signalOf } from "./recording.ts";
export { type EvalPlaces, type EvalRun, runScenario } from "./run.ts";
export { parseScenario, type Scenario, ScenarioError } from "./scenario.ts";
export { comparison, summarise, table } from "./table.ts";
export { transcript } from "./transcript.ts";
