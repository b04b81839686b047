import { loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { type OutputOptions, print } from "./output.ts";

const SCENARIOS = ["flag", "bad-deploy", "cascade", "rollback-no-help", "quiet", "reset"];

/** Asks the Vigil that runs here to play a scenario in its demo shop. */
export async function demo(scenario: string, options: OutputOptions): Promise<void> {
  if (!SCENARIOS.includes(scenario)) {
    throw new OperatorError(`There is no scenario "${scenario}". Choose one of: ${SCENARIOS.join(", ")}.`);
  }
  const { host, port } = loadConfig().server;
  const base = `http://${host}:${port}`;
  let response: Response;
  try {
    const page = await fetch(`${base}/api/session`);
    const { token } = (await page.json()) as { token: string };
    response = await fetch(`${base}/api/demo/${scenario}`, {
      method: "POST",
      headers: { origin: base, "x-vigil-token": token, "content-type": "application/json" },
      body: "{}",
    });
  } catch {
    throw new OperatorError(`No Vigil answers at ${base}. Start one with: npm start`);
  }
  if (!response.ok) throw new OperatorError(`The demo refused ${scenario}: ${(await response.text()).slice(0, 300)}`);
  print(options, { scenario, started: true }, () => `Playing ${scenario}. Watch ${base}`);
}
