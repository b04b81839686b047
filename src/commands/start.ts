import { setFlagsFromString } from "node:v8";
import { loadConfig } from "../config.ts";

/** Runs until SIGINT or SIGTERM, then closes in order; a second signal ends at once. */
export async function start(): Promise<void> {
  const config = loadConfig();
  keepHeapSmall();
  const { startApp } = await import("../app.ts");
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

/**
 * V8 lets garbage pile up to several times what is alive. A bot that waits most of the time collects earlier instead and leaves the memory to
 * others. Before the rest is loaded, while the heap is still small.
 */
function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=25");
}
