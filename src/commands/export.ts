import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { TrainingWriter } from "../agent/training/example.ts";
import { loadConfig } from "../config.ts";
import { exportFinetune } from "../flows/finetune.ts";
import { Learned } from "../learning/learned.ts";
import { OperatorError } from "../operator-error.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Writes `train.jsonl`, `validation.jsonl` and `summary.json` from the investigations that people confirmed. */
export async function exportTraining(options: OutputOptions & { readonly out: string; readonly force?: boolean }): Promise<void> {
  const folder = resolve(options.out);
  const files = ["train.jsonl", "validation.jsonl", "summary.json"].map((name) => join(folder, name)) as [string, string, string];
  const there = files.find((file) => existsSync(file));
  if (there && !options.force)
    throw new OperatorError(`${there} exists already; name another folder with --out, or give --force.`);
  const made = await withCore(loadConfig(), async (core, stores) => {
    const [investigations, feedback, changes] = await Promise.all([
      stores.investigations.list({ state: "done" }),
      stores.feedback.all(),
      stores.telemetry.changes({ from: 0, to: Date.now() * 2, limit: 100_000 }),
    ]);
    // What people confirmed, whether or not learning is switched on.
    const { judgements } = new Learned({ investigations, feedback, proposals: [], undone: await core.learning.undone() });
    const people = new Set([...changes.map(({ actor }) => actor), ...feedback.map(({ user }) => user.replace(/^\w+:/, ""))]);
    const writer = new TrainingWriter({
      prompts: resolve(import.meta.dirname, "../../prompts"),
      actions: core.actions.proposable,
      people: [...people],
    });
    return exportFinetune(judgements, writer);
  });
  const { training, validation, summary } = made;
  mkdirSync(folder, { recursive: true });
  const [train, validate, about] = files;
  const write = (file: string, text: string) => writeFileSync(file, text, { mode: 0o600 });
  write(train, training.map((line) => `${line}\n`).join(""));
  write(validate, validation.map((line) => `${line}\n`).join(""));
  write(about, `${JSON.stringify(summary, null, 2)}\n`);
  print(options, { folder, ...summary }, () =>
    [
      `${training.length} examples to train on and ${validation.length} to validate, ${summary.tokens.training + summary.tokens.validation} tokens, in ${folder}.`,
      `From ${summary.confirmed} confirmed investigations; secrets and names of people are taken out.`,
      ...summary.leftOut.map(({ id, reason }) => `Left out ${id}: ${reason}.`),
      ...summary.warnings,
    ].join("\n"),
  );
}
