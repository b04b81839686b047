import { startApp } from "../app.ts";
import { loadConfig } from "../config.ts";

/** Runs until SIGINT or SIGTERM, then closes in order; a second signal ends at once. */
export async function start(): Promise<void> {
  const config = loadConfig();
  const app = await startApp(config);
  process.stdout.write(`Vigil is on ${app.url}${config.demo.enabled ? " (demo shop on; history is being loaded)" : ""}\n`);
  await new Promise<void>((resolve) => {
    let asked = false;
    const stop = () => {
      if (asked) process.exit(1);
      asked = true;
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
  await app.close();
}
