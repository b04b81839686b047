import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Tiktoken } from "js-tiktoken/lite";
import o200kBase from "js-tiktoken/ranks/o200k_base";
import { type AgentOptions, DEFAULT_PRICES, type Price } from "../agent/index.ts";
import { type Config, loadConfig } from "../config.ts";
import { MINUTE, SECOND } from "../domain/time.ts";
import {
  comparison,
  type EvalPlaces,
  type EvalRun,
  fromRecording,
  generate,
  parseScenario,
  type Recorded,
  recordedSpan,
  runScenario,
  type Scenario,
  ScenarioError,
  signalOf,
  summarise,
  table,
  transcript,
} from "../flows/eval/index.ts";
import { type Embedder, LocalEmbedder, openKnowledge } from "../knowledge/index.ts";
import { OperatorError } from "../operator-error.ts";
import { KnowledgeRepository } from "../store/knowledge.ts";
import { openStateDatabase } from "../store/state.ts";
import { openTelemetryStore } from "../store/telemetry/index.ts";
import { agentOptions, withMind } from "../wiring/minds.ts";
import { readCaseFolder } from "./case-folder.ts";
import { type OutputOptions, print } from "./output.ts";

export interface EvalOptions extends OutputOptions {
  /** `offline`, or names of models at the configured endpoint; each runs every scenario. */
  readonly mind?: readonly string[];
  /** Folders of prompts to compare; each runs every scenario with every mind. */
  readonly prompts?: readonly string[];
  /** Only scenarios whose name holds this. */
  readonly only?: string;
  /** Where transcripts go. */
  readonly transcripts?: string;
}

/** Runs the scenarios of a folder (or one scenario) through the agent and prints how it did. */
export async function evaluate(folder: string, options: EvalOptions): Promise<void> {
  const config = loadConfig();
  const scenarios = scenariosIn(resolve(folder)).filter(({ name }) => !options.only || name.includes(options.only));
  if (scenarios.length === 0)
    throw new OperatorError(
      `${folder} holds no scenario${options.only ? ` with "${options.only}" in its name` : ""}; a scenario is a folder with scenario.yaml, or a suite with cases and answers.json.`,
    );
  const embedder = new LocalEmbedder();
  const places = inMemory(embedder);
  const transcripts = resolve(
    options.transcripts ?? join(config.dataDir, "eval", new Date().toISOString().slice(0, 19).replaceAll(":", "-")),
  );
  const results: { readonly runs: readonly EvalRun[]; readonly summary: ReturnType<typeof summarise> }[] = [];
  try {
    for (const { label, agent } of contestants(config, options)) {
      const runs: EvalRun[] = [];
      const place = join(transcripts, label.replaceAll(/[^\w.-]+/g, "_"));
      await mkdir(place, { recursive: true, mode: 0o700 });
      for (const one of scenarios) {
        const { scenario, recorded } = await one.load();
        const run = await runScenario(scenario, recorded, places, agent);
        runs.push(run);
        await writeFile(join(place, `${scenario.id}.md`), transcript(run), { mode: 0o600 });
        await writeFile(join(place, `${scenario.id}.json`), JSON.stringify(run.report, null, 1), { mode: 0o600 });
      }
      results.push({ runs, summary: summarise(label, runs, midSizePrice(config)) });
    }
  } finally {
    await embedder.close();
  }
  const shown = results.map(({ runs, summary }) => ({
    ...summary,
    runs: runs.map(({ scenario, score, report }) => ({
      scenario: scenario.id,
      ...score,
      outcome: report.outcome,
      headline: report.headline,
      cost: report.cost,
      context: runs.find((run) => run.scenario.id === scenario.id)?.context,
    })),
  }));
  print(options, { transcripts, minds: shown }, () =>
    [
      ...results.map(({ runs, summary }) => table(runs, summary)),
      ...(results.length > 1 ? [comparison(results)] : []),
      `Transcripts: ${transcripts}`,
    ].join("\n\n"),
  );
}

/** A store and knowledge of their own for each run, gone afterwards. */
function inMemory(shared: Embedder): EvalPlaces {
  const embedder: Embedder = { model: shared.model, embed: (texts) => shared.embed(texts), close: async () => {} };
  return {
    countTokens: tokenizer(),
    openStore: () => openTelemetryStore(":memory:"),
    async openKnowledge(documents) {
      const state = await openStateDatabase(":memory:");
      const knowledge = await openKnowledge({ store: new KnowledgeRepository(state), embedder });
      for (const one of documents) await knowledge.add(one);
      return {
        search: (query) => knowledge.search(query),
        document: (id) => knowledge.document(id),
        close: async () => {
          await knowledge.close();
          await state.destroy();
        },
      };
    },
  };
}

/** Every mind with every folder of prompts. */
function contestants(config: Config, options: EvalOptions): { readonly label: string; readonly agent: AgentOptions }[] {
  const minds = options.mind?.length ? options.mind : ["offline"];
  const folders = options.prompts?.length ? options.prompts.map((folder) => resolve(folder)) : [agentOptions(config).prompts];
  return minds.flatMap((mind) =>
    folders.map((prompts) => ({
      label: `${mind === "offline" ? "offline reasoner" : mind}${folders.length > 1 ? ` with ${basename(prompts)}` : ""}`,
      agent: { ...optionsOf(mind, config), prompts },
    })),
  );
}

function optionsOf(mind: string, config: Config): AgentOptions {
  const options = withMind(mind, config);
  if (options) return options;
  throw new OperatorError(
    `The mind ${mind} needs a model endpoint: set OPENAI_API_KEY or OPENAI_BASE_URL, or use --mind offline.`,
  );
}

/** The tokenizer of the current models of OpenAI, from its package: nothing is downloaded. */
function tokenizer(): (text: string) => number {
  const encoding = new Tiktoken(o200kBase);
  return (text) => encoding.encode(text, "all").length;
}

const MID_SIZE = "gpt-5-mini";

function midSizePrice(config: Config): Price {
  const { prices = DEFAULT_PRICES } = agentOptions(config);
  return prices.models[MID_SIZE] ?? prices.fallback;
}

interface Found {
  readonly name: string;
  load(): Promise<{ readonly scenario: Scenario; readonly recorded: Recorded }>;
}

/** One scenario, a folder of them, or a suite of recorded cases with `answers.json`. */
function scenariosIn(folder: string): Found[] {
  if (!existsSync(folder)) throw new OperatorError(`There is no folder ${folder}.`);
  if (existsSync(join(folder, "scenario.yaml"))) return [written(folder)];
  if (existsSync(join(folder, "answers.json"))) return suite(folder);
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => {
      const inner = join(folder, name);
      return existsSync(join(inner, "scenario.yaml"))
        ? [written(inner)]
        : existsSync(join(inner, "answers.json"))
          ? suite(inner)
          : [];
    });
}

function written(folder: string): Found {
  const file = join(folder, "scenario.yaml");
  return {
    name: basename(folder),
    async load() {
      try {
        const scenario = parseScenario(basename(folder), file, readFileSync(file, "utf8"));
        if (scenario.world) return { scenario, recorded: generate(scenario, scenario.world) };
        const input = await readCaseFolder(join(folder, scenario.recording ?? "."));
        return { scenario, recorded: fromRecording(scenario, input) };
      } catch (error) {
        throw error instanceof ScenarioError ? new OperatorError(error.message) : error;
      }
    },
  };
}

/** Recorded cases whose answers are only the service at fault. */
function suite(folder: string): Found[] {
  const answers = JSON.parse(readFileSync(join(folder, "answers.json"), "utf8")) as Record<string, string | { service: string }>;
  return Object.entries(answers).map(([name, answer]) => ({
    name: `${basename(folder)}-${name}`,
    async load() {
      const input = await readCaseFolder(join(folder, "cases", name));
      const { service, metric, at } = input.symptom;
      const ago = (recordedSpan(input).now - at * SECOND) / MINUTE;
      const cause = typeof answer === "string" ? answer : answer.service;
      const about = service
        ? {
            alert: {
              service,
              signal: signalOf(metric),
              change: 0.5,
              from: `-${Math.max(1, ago).toFixed(4)}m`,
            },
          }
        : { question: `What is wrong since ${new Date(at * SECOND).toISOString().slice(0, 19)}Z?` };
      const text = JSON.stringify({
        title: `${basename(dirname(folder))} ${name}`,
        recording: ".",
        ...about,
        expect: { outcome: "cause_found", services: [cause], unknownTolerated: true },
      });
      const scenario = parseScenario(`${basename(folder)}-${name}`, join(folder, name), text);
      return { scenario, recorded: fromRecording(scenario, input) };
    },
  }));
}
