import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { pino } from "pino";
import { wallClock } from "../../src/domain/time.ts";
import type { IncomingAlert } from "../../src/flows/alert.ts";
import { ChangeRecorder } from "../../src/flows/changes.ts";
import { openKnowledge } from "../../src/knowledge/index.ts";
import { type Scheme, type Sender, webhookRouter } from "../../src/sources/webhooks/index.ts";
import { AlertRepository } from "../../src/store/alerts.ts";
import { DeliveryRepository } from "../../src/store/deliveries.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { KnowledgeRepository } from "../../src/store/knowledge.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { WordEmbedder } from "./word-embedder.ts";

/** The webhook routes on a port of their own, with real databases behind them. */
export async function webhookServer(
  schemes: Readonly<Partial<Record<Sender, readonly Scheme[]>>>,
  services: Readonly<Record<string, readonly string[]>> = {},
) {
  const log = pino({ level: "silent" });
  const db = await openStateDatabase(":memory:");
  const telemetry = await openTelemetryStore(":memory:");
  const knowledge = await openKnowledge({ store: new KnowledgeRepository(db), embedder: new WordEmbedder() });
  const alertStore = new AlertRepository(db);
  const received: IncomingAlert[] = [];
  const changes = new ChangeRecorder({
    sink: telemetry,
    changes: telemetry,
    memory: new InvestigationRepository(db),
    library: knowledge,
    clock: wallClock,
    now: () => Date.now(),
    log,
  });
  const broken = { now: false };
  const http = express().use(
    webhookRouter({
      schemes,
      maxBytes: 100_000,
      serviceLabels: ["service", "job"],
      servicesOf: (name) => services[name] ?? [],
      alerts: {
        take: async (alerts) => {
          if (broken.now) throw new Error("disk full");
          received.push(...alerts);
          return alertStore.receive(alerts, Date.now());
        },
      },
      changes,
      deliveries: new DeliveryRepository(db),
      now: () => Date.now(),
      log,
    }),
  );
  const server = createServer(http);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    received,
    alertStore,
    knowledge,
    broken,
    changes: async () => {
      await changes.close();
      return (await telemetry.changes({ from: 0, to: Date.now() + 1e9 })).toReversed();
    },
    post: async (path: string, body: unknown, headers: Record<string, string> = {}) => {
      const sent = typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: sent,
      });
      return { status: response.status, body: (await response.json()) as { taken?: number; ignored?: string; error?: string } };
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await changes.close();
      await knowledge.close();
      telemetry.close();
      await db.destroy();
    },
  };
}
