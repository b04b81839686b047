#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from "commander";

/**
 * The commands. Each one is loaded only when it is asked for, so that `diagnose` does not pay for the chat bot.
 * Exit codes: 0 done, 1 it failed (the reason is on stderr), 2 it was called wrongly.
 */
const program = new Command("vigil")
  .description("The SRE agent in your incident channel: it notices, explains, proposes, acts when approved, verifies and learns.")
  .version("0.1.0")
  .showHelpAfterError("(vigil --help lists the commands)")
  .exitOverride();

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000)
    throw new InvalidArgumentError("give a whole number from 1 to 1000.");
  return value;
}

function amount(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("give a number above 0.");
  return value;
}

program
  .command("start")
  .description("run Vigil: the channel's page, the OTLP receiver, the watcher, and the demo shop when it is on")
  .action(async () => (await import("./commands/start.ts")).start());

program
  .command("ask")
  .argument("<question>", "what an engineer would ask in the channel")
  .description("answer a question from the telemetry and knowledge that is stored here")
  .option("--json", "machine-readable output")
  .action(async (question, options) => (await import("./commands/ask.ts")).ask(question, options));

program
  .command("diagnose")
  .argument("<case-dir>", "folder of a recorded incident: case.json, during.csv.gz and, where there are any, logs and traces")
  .description("rank the root causes of a recorded incident")
  .option("--json", "machine-readable output")
  .action(async (folder, options) => (await import("./commands/diagnose.ts")).diagnose(folder, options));

program
  .command("detect")
  .argument("<file>", "CSV with the columns timestamp,value; may be gzipped")
  .description("find the anomalies of a series, knowing at each point only its past")
  .option("--json", "machine-readable output")
  .action(async (file, options) => (await import("./commands/detect.ts")).detect(file, options));

program
  .command("backtest")
  .description("replay your own history and say what would have been posted, when, and how noisy it would have been")
  .option("--csv <files...>", "tables with a time and columns service|signal; default: where this Vigil reads its metrics")
  .option("--days <n>", "how far back to read", count, 28)
  .option("--learn-days <n>", "how much of it is learned from before the replay begins", count, 14)
  .option("--budget <n>", "accepted false alarms a week; default: as configured", amount)
  .option("--incidents <file.csv>", "known incidents (start,end,name) to reckon with")
  .option("--picture <file>", "draw a timeline, as .svg or .png")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/backtest.ts")).backtest(options));

program
  .command("search")
  .argument("[text]", "what to look for, in your own words")
  .description("find documents by meaning")
  .requiredOption("--docs <dir>", "folder of Markdown or text files")
  .option("--top <n>", "how many to print", count, 5)
  .option("--queries <file.json>", "answer many queries at once")
  .option("--json", "machine-readable output")
  .action(async (text, options) => (await import("./commands/search.ts")).search(text ?? null, options));

program
  .command("ingest")
  .argument("[dir]", "folder of incidents, runbooks and notes in Markdown; everything that is configured when left out")
  .description("add to what Vigil knows; only what changed is embedded again")
  .option("--json", "machine-readable output")
  .action(async (folder, options) => (await import("./commands/ingest.ts")).ingest(folder ?? null, options));

program
  .command("eval")
  .argument("<dir>", "folder of scenarios, one scenario, or a suite of recorded cases with answers.json")
  .description("run scenarios with known answers through the agent and print how it did")
  .option("--mind <names...>", "offline, or models at the configured endpoint; each runs every scenario", ["offline"])
  .option("--prompts <dirs...>", "folders of prompts, to compare versions; each runs every scenario")
  .option("--only <text>", "only scenarios with this in their name")
  .option("--transcripts <dir>", "where the transcripts go; default: the state folder")
  .option("--json", "machine-readable output")
  .action(async (folder, options) => (await import("./commands/eval.ts")).evaluate(folder, options));

program
  .command("replay")
  .argument("<id>", "a stored investigation, INV-7")
  .description("go over an investigation again with another model or other prompts, from what was recorded")
  .option("--mind <name>", "offline, or a model at the configured endpoint; default: the configured one")
  .option("--prompts <dir>", "another folder of prompts")
  .option("--json", "machine-readable output")
  .action(async (id, options) => (await import("./commands/replay.ts")).replay(id, options));

program
  .command("mcp")
  .description("serve the read tools by the Model Context Protocol over stdin and stdout, for editors and other agents")
  .action(async () => (await import("./commands/mcp.ts")).mcp());

program
  .command("report")
  .description("what Vigil found, cost and saved")
  .option("--days <n>", "only what began in the last days", count)
  .option("--csv", "every figure as CSV")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/report.ts")).report(options));

program
  .command("postmortem")
  .argument("[id]", "an investigation (INV-7) or an incident (IN-3)")
  .description("draft a post-mortem in Markdown; edited, it is handed in with --publish and found as a past incident")
  .option("--out <file>", "where the draft goes; default PM-<id>.md")
  .option("--publish <file>", "hand in an edited one")
  .option("--json", "machine-readable output")
  .action(async (id, options) => (await import("./commands/postmortem.ts")).postmortem(id ?? null, options));

program
  .command("export")
  .description("hand data out for use elsewhere")
  .command("finetune")
  .description("write confirmed investigations as a chat fine-tuning file with tools, without secrets and names")
  .option("--out <dir>", "folder for train.jsonl, validation.jsonl and summary.json", "finetune")
  .option("--force", "overwrite files of an earlier export")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/export.ts")).exportTraining(options));

program
  .command("forget")
  .argument("<target>", "a person (slack:U0123, web:maya), an incident (IN-3) or an investigation (INV-7)")
  .description("delete what is stored about a person or an incident, and what was learned from it")
  .option("--json", "machine-readable output")
  .action(async (target, options) => (await import("./commands/forget.ts")).forget(target, options));

const learn = program.command("learn").description("what feedback has changed: list it, take it back, lift that again");
learn
  .command("list")
  .description("every influence with its size and where it comes from")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/learn.ts")).learnList(options));
learn
  .command("undo")
  .argument("<target>", "an influence, an investigation (INV-7) or a voter (slack:U123)")
  .description("take back an influence, or all that an investigation or a voter taught")
  .option("--reason <text>", "why, for the list")
  .option("--json", "machine-readable output")
  .action(async (target, options) => (await import("./commands/learn.ts")).learnUndo(target, options));
learn
  .command("redo")
  .argument("<target>", "what was taken back")
  .description("let it count again")
  .option("--json", "machine-readable output")
  .action(async (target, options) => (await import("./commands/learn.ts")).learnRedo(target, options));

const audit = program.command("audit").description("the trail of who let what run");
audit
  .command("verify")
  .description("walk the whole trail and name the first row that was touched")
  .option("--anchors <file>", "heads that were noted outside the database; default: the configured file")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/audit.ts")).verifyTrail(options));
audit
  .command("show")
  .argument("<subject>", "for instance PRO-7")
  .description("everything that was recorded about a proposal: who proposed, who approved, what ran, what happened")
  .option("--json", "machine-readable output")
  .action(async (subject, options) => (await import("./commands/audit.ts")).showTrail(subject, options));

const policy = program.command("policy").description("what your policy says of actions");
policy
  .command("explain")
  .argument("<action>", "its name in the catalogue, for instance toggle_feature_flag")
  .argument("[arguments...]", "name=value, for instance flag=new-layout percent=0")
  .description("say who must approve an action, and why; nothing is filed or changed")
  .option("--confidence <share>", "of the hypothesis behind it, 0 to 1", amount)
  .option("--json", "machine-readable output")
  .action(async (action, given, options) => (await import("./commands/policy.ts")).explainPolicy(action, given, options));
policy
  .command("schema")
  .description("print the JSON Schema of the policy file")
  .action(async () => (await import("./commands/policy.ts")).printSchema());

program
  .command("init")
  .description("ask a few questions and write vigil.yaml")
  .option("--force", "write over a vigil.yaml that is there")
  .option("--example", "print every key with its default and what it means, and write nothing")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/init.ts")).init(options));

program
  .command("doctor")
  .description("check configuration, reachability, versions and permissions, and say what to do about each fault")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/doctor.ts")).doctor(options));

program
  .command("teams-package")
  .description("write the app package for Microsoft Teams: manifest and icons")
  .option("--out <file.zip>", "where to write it", "vigil-teams.zip")
  .option("--organisation <name>", "who runs this Vigil", "Vigil")
  .option("--website <url>", "an https page about it, for people who meet the app in Teams", "https://example.com/")
  .option("--json", "machine-readable output")
  .action(async (options) => (await import("./commands/teams-package.ts")).teamsPackage(options));

program
  .command("demo")
  .argument("<scenario>", "flag, bad-deploy, cascade, rollback-no-help, quiet or reset")
  .description("play a scenario in the demo shop of the Vigil that runs here")
  .option("--json", "machine-readable output")
  .action(async (scenario, options) => (await import("./commands/demo.ts")).demo(scenario, options));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    const expected =
      error instanceof Error && ["OperatorError", "ConfigError", "SourceError", "PolicyError"].includes(error.name);
    process.stderr.write(`vigil: ${expected ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
}
