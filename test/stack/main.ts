import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DemoStack, startDemoStack } from "./demo-stack.ts";

/** `npm run demo:stack`: the flag story with a real Prometheus and a real Unleash, until Ctrl-C. */
const folder = mkdtempSync(join(tmpdir(), "vigil-demo-stack-"));
const say = (line: string) => process.stdout.write(`${line}\n`);
const stopped = new AbortController();
const starting = startDemoStack(folder, { historyDays: 8, scenario: "flag", say, signal: stopped.signal });

async function end(code: number): Promise<void> {
  await starting.then((stack) => stack.stop()).catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

/** Ctrl-C comes twice: from the terminal, and passed on by npm. */
function stop(): void {
  if (stopped.signal.aborted) return;
  stopped.abort();
  say("Stopping; the servers and their data go.");
  void end(0);
}
process.on("SIGINT", stop);
process.on("SIGTERM", stop);

async function tell({ vigil, prometheus, unleash }: DemoStack): Promise<void> {
  say(`Vigil      ${vigil.url}`);
  say(`Prometheus ${prometheus.url}   (the shop's clock is three days back)`);
  say(`Unleash    ${unleash.url}   (admin, unleash4all)`);
  await vigil.ready();
  say("Watching. The flag is raised now; open Vigil's page, and approve what it proposes. Ctrl-C ends everything.");
}

try {
  await tell(await starting);
} catch (error) {
  if (!stopped.signal.aborted) {
    const { message, code } = error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error), code: "" };
    const remedy = code === "ENOENT" ? ". Is Prometheus installed? apt-get install prometheus" : "";
    process.stderr.write(`The stack did not start: ${message}${remedy}\n`);
    await end(1);
  }
}
