import { loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Lists everything that feedback has changed, and what was taken back. */
export async function learnList(options: OutputOptions): Promise<void> {
  const [enabled, influences, undone] = await withCore(
    loadConfig(),
    async ({ learning }) => [learning.enabled, learning.influences(), await learning.undone()] as const,
  );
  print(
    options,
    { enabled, influences, undone },
    () =>
      [
        ...(enabled ? [] : ["Learning is off (learning.enabled): nothing of this has any effect."]),
        ...influences.map(({ id, effect, because }) => `${id}\n    ${effect}\n    because of ${because.slice(-5).join(", ")}`),
        ...undone.map(
          ({ target, by, at, reason }) =>
            `${target}\n    taken back by ${by} at ${new Date(at).toISOString().slice(0, 16)}${reason ? `: ${reason}` : ""}`,
        ),
      ].join("\n") || "Nothing was learned yet.",
  );
}

/** Takes back an influence, or everything that one investigation or one voter taught. */
export async function learnUndo(target: string, options: OutputOptions & { readonly reason?: string }): Promise<void> {
  const undo = await withCore(loadConfig(), async ({ learning, knowledge }) => {
    await learning.publishTo(knowledge);
    return learning.undo(target, "cli:you", options.reason?.slice(0, 500) ?? "");
  });
  if (!undo)
    throw new OperatorError(
      `There is nothing learned under ${target.slice(0, 80)}. \`vigil learn list\` shows what there is; an investigation (INV-7) or a voter (slack:U123) works as well.`,
    );
  print(options, undo, () => `${UNDONE[undo.scope](undo.target)} \`vigil learn redo ${undo.target}\` lifts this.`);
}

const UNDONE = {
  influence: (target: string) => `${target} starts again from nothing; verdicts from now on teach it anew.`,
  investigation: (target: string) => `Nothing is learned from ${target} any more.`,
  voter: (target: string) => `Nothing is learned from the votes of ${target} any more.`,
};

/** Lifts an undo. */
export async function learnRedo(target: string, options: OutputOptions): Promise<void> {
  const lifted = await withCore(loadConfig(), async ({ learning, knowledge }) => {
    await learning.publishTo(knowledge);
    return learning.redo(target);
  });
  if (!lifted) throw new OperatorError(`${target.slice(0, 80)} was not taken back. \`vigil learn list\` shows what was.`);
  print(options, { target, lifted }, () => `${target} counts again.`);
}
