import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDemoStack } from "./demo-stack.ts";

/** `npm run demo:stack`: the flag story with a real Prometheus and a real Unleash, until Ctrl-C. */
const folder = mkdtempSync(join(tmpdir(), "vigil-demo-stack-"));
const say = (line: string) => process.stdout.write(`${line}\n`);
const stack = await startDemoStack(folder, { historyDays: 8, scenario: "flag", say });
let stopping = false;
process.on("SIGINT", () => {
  if (stopping) return;
  stopping = true;
  say("stopping");
  void stack.stop().then(() => {
    rmSync(folder, { recursive: true, force: true });
    process.exit();
  });
});
say(`Vigil      ${stack.vigil.url}`);
say(`Prometheus ${stack.prometheus.url}   (the shop's clock is three days back)`);
say(`Unleash    ${stack.unleash.url}   (admin, unleash4all)`);
await stack.vigil.ready();
say("Watching. The flag is raised now; open the page, and approve what Vigil proposes. Ctrl-C ends everything.");
