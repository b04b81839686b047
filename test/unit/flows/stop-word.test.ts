import { describe, expect, it } from "vitest";
import { stopIn } from "../../../src/flows/stop-word.ts";

describe("a message that is nothing but a stop", () => {
  it.each([
    "stop",
    "STOP",
    "Stop!!!",
    "stop stop stop",
    "stop.",
    " please stop ",
    "Vigil, stop everything!",
    "no, stop it now",
    "halt",
    "abort!",
    "stop all actions",
    "stop what you are doing",
    "stop, please",
    "kill switch",
    "hit the kill switch",
    "emergency stop!",
  ])("%j stops", (text) => expect(stopIn(text)).toBe(""));

  it.each([
    ["stop: the database is burning", "the database is burning"],
    ["Stop everything, we are failing over", "we are failing over"],
    ["stop - wrong region", "wrong region"],
    ["stop! wrong region", "wrong region"],
    ["stop because the rollback made it worse", "because the rollback made it worse"],
  ])("%j stops, and says why", (text, reason) => expect(stopIn(text)).toBe(reason));

  it.each([
    "",
    "stop guessing, look at the logs",
    "stop the alerts of checkout",
    "did it stop?",
    "when will the errors stop",
    "why did you stop",
    "what does stop mean?",
    "stop?",
    "can we stop, or is it done?",
    "stopped",
    "non-stop errors",
    "is the rollout on halt",
    "stop, what is checkout doing?",
    "stop, look at the logs of checkout instead",
    "stop it. it was the deploy",
    "don't stop",
    "please do not stop",
    "cancel",
    "it did not stop",
  ])("%j does not", (text) => expect(stopIn(text)).toBeNull());
});
