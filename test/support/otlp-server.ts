import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { otlpRouter } from "../../src/sources/otlp/index.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";

/** A real receiver on a free loopback port over a store in memory or in a file. */
export async function startReceiver(options: { file?: string; maxBytes?: number } = {}) {
  const store = await openTelemetryStore(options.file ?? ":memory:");
  const app = express().use(otlpRouter({ sink: store, maxBytes: options.maxBytes ?? 1_000_000 }));
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    store.close();
  };
  return { store, url, close };
}
