import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { environment } from "../config/environment.ts";
import { loadConfig, schema } from "../config.ts";
import { exampleOf } from "../install/example.ts";
import { type Answers, questions, yamlFor } from "../install/questions.ts";
import { OperatorError } from "../operator-error.ts";
import { type OutputOptions, print } from "./output.ts";

export interface InitOptions extends OutputOptions {
  /** Prints the annotated example instead. */
  readonly example?: boolean;
  readonly force?: boolean;
}

/** Asks a few questions and writes `vigil.yaml`. Secrets are not asked for: it says which variables take them. */
export async function init(options: InitOptions): Promise<void> {
  if (options.example) {
    process.stdout.write(exampleOf(schema, schema.parse({}), environment));
    return;
  }
  const file = resolve(process.env.VIGIL_CONFIG ?? "vigil.yaml");
  if (existsSync(file) && !options.force) {
    throw new OperatorError(`${file} exists. Edit it, or run init again with --force to write it anew.`);
  }
  const answers = await ask();
  const { config, secrets } = yamlFor(answers);
  const text = `# Written by vigil init. Every other key is in vigil.example.yaml.\n${stringify(config, { lineWidth: 0 })}`;
  writeFileSync(file, text, { mode: 0o600 });
  // What was written must be understood; secrets come from the environment and are not there yet.
  const missing = secrets.filter((name) => !process.env[name] && !process.env[`${name}_FILE`]);
  loadConfig({ ...process.env, ...Object.fromEntries(missing.map((name) => [name, placeholder(name)])), VIGIL_CONFIG: file });
  print(options, { file, secrets: missing }, () =>
    [
      `Wrote ${file}.`,
      ...(missing.length > 0 ? ["Set these before you start Vigil (or NAME_FILE, naming a file that holds the secret):"] : []),
      ...missing.map((name) => `  ${name}`),
      "Then run: vigil doctor",
    ].join("\n"),
  );
}

const placeholder = (name: string): string =>
  name === "SLACK_BOT_TOKEN" ? "xoxb-later" : name === "SLACK_APP_TOKEN" ? "xapp-later" : "set-this-later";

/** One question a line; an empty answer takes what is offered. Works at a terminal and from a pipe. */
async function ask(): Promise<Answers> {
  const terminal = process.stdin.isTTY === true;
  const input = createInterface({ input: process.stdin, output: process.stderr, terminal });
  const lines = input[Symbol.asyncIterator]();
  const answers: Record<string, string> = {};
  for (const question of questions) {
    if (!question.when(answers)) continue;
    for (;;) {
      const choice = question.choices ? ` (${question.choices.join(", ")})` : "";
      process.stderr.write(`${question.text}${choice}${question.offered ? ` [${question.offered}]` : ""}: `);
      const { value, done } = await lines.next();
      const answer = (done ? "" : value.trim()) || question.offered;
      const fault = question.fault(answer);
      if (fault === null) {
        answers[question.key] = answer;
        break;
      }
      if (done || !terminal) throw new OperatorError(`${question.text}: ${JSON.stringify(answer)} ${fault}.`);
      process.stderr.write(`  ${fault}.\n`);
    }
  }
  input.close();
  return answers;
}
