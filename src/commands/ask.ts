import { loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Answers a question from what is stored here; needs no running Vigil. */
export async function ask(question: string, options: OutputOptions): Promise<void> {
  if (question.trim() === "")
    throw new OperatorError('The question is empty. Ask for instance: vigil ask "why is checkout slow?"');
  const answer = await withCore(loadConfig(), (core) =>
    core.agent.answer(
      { question, history: [], investigation: null, requester: "cli:you" },
      { onStep: () => {} },
      new AbortController().signal,
    ),
  );
  print(options, answer, () => [answer.text, "", `— ${answer.mind.name}`].join("\n"));
}
