import type { CauseKind, Prediction } from "../../domain/investigation.ts";
import type { Reason, Tested } from "./suspect.ts";

const TIMING = ["timing", "It changed before the trouble began, not after"] as const;

/** What each kind of cause predicts, the cheapest look first. A rival predicts otherwise. */
const PREDICTIONS: Readonly<Record<CauseKind, readonly (readonly [Tested, string])[]>> = {
  flag: [
    TIMING,
    ["requests", "Requests that meet it are slower, or fail more, than others of the same minutes"],
    ["experiment", "Switching it off for test traffic takes the effect away"],
  ],
  deploy: [
    TIMING,
    ["requests", "Requests on the new version are slower, or fail more, than on the old one"],
    ["logs", "What was deployed logs new warnings or errors"],
  ],
  config: [TIMING, ["logs", "What was configured logs new warnings or errors"]],
  dependency: [
    ["first", "It moved before those that call it"],
    ["unchanged", "Nobody changed it"],
    ["resource", "Something of it is running out"],
    ["own", "It is not merely sent more requests"],
  ],
  resource: [
    ["first", "It moved before those that it calls"],
    ["resource", "Something of it is running out"],
    ["own", "It is not merely sent more requests"],
  ],
  traffic: [["load", "More requests come in than before"]],
  none: [
    ["baseline", "Every signal is within its seasonal baseline"],
    ["still", "Latency and errors are where they were"],
  ],
  unknown: [],
};

/** The predictions of a cause, and which of them the reasons have settled. */
export function predictionsOf(cause: CauseKind, reasons: readonly Reason[]): Prediction[] {
  return PREDICTIONS[cause].map(([tested, text]) => {
    const settling = reasons.filter(({ tests }) => tests === tested);
    const weight = settling.reduce((sum, one) => sum + one.weight, 0);
    return {
      text,
      held: weight === 0 ? null : weight > 0,
      evidence: [...new Set(settling.flatMap(({ evidence }) => (evidence ? [evidence] : [])))],
    };
  });
}
