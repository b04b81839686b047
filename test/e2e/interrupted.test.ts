import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Card } from "../../src/chat/card.ts";
import type { Investigation } from "../../src/domain/investigation.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { until } from "../support/fake-handlers.ts";
import { fakeModelServer, KEY } from "../support/fake-model-server.ts";
import { past } from "../support/steady-service.ts";
import { type RunningVigil, startVigil } from "./app.ts";

/** A real process is killed while a model is being asked; the next one on the same folder goes on. */

const STEP = 10 * SECOND;

describe("an investigation that kill -9 interrupts", { timeout: 2 * MINUTE }, () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  it("begins anew after the next start, is told once, and its cost and budget span both lives", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-interrupted-"));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    // It asks for one look, then is silent until it is killed; afterwards it looks once more and is away, so that the offline reasoner ends it.
    const look = { call: [{ name: "list_changes", args: {} }] };
    const model = await fakeModelServer([look, { delay: 60_000 }, look, { status: 401 }]);
    closers.push(() => model.close());
    const now = Math.floor(Date.now() / STEP) * STEP;
    const telemetry = await openTelemetryStore(join(folder, "telemetry.db"));
    const slowFrom = now - 12 * MINUTE;
    telemetry.appendMetrics(past(["basket"], { from: now - 51 * HOUR, to: slowFrom, step: STEP, seconds: 0.08 }));
    telemetry.appendMetrics(past(["basket"], { from: slowFrom, to: now, step: STEP, seconds: 0.3 }));
    telemetry.close();
    const file = join(folder, "vigil.yaml");
    writeFileSync(
      file,
      JSON.stringify({
        detection: { stepSeconds: STEP / SECOND },
        knowledge: { folders: [] },
        model: {
          apiKey: KEY,
          baseUrl: model.url,
          name: "gpt-test",
          retries: 0,
          prices: { asOf: "2026-11-01", models: { "gpt-test": { input: 10, output: 10 } } },
        },
      }),
    );
    const start = async (): Promise<RunningVigil> => {
      const vigil = await startVigil(folder, { NODE_ENV: "test", VIGIL_CONFIG: file, VIGIL_DEMO: "off", OPENAI_API_KEY: KEY });
      closers.push(() => vigil.stop("SIGKILL"));
      return vigil;
    };
    const db = await openStateDatabase(join(folder, "vigil.db"));
    closers.push(() => db.destroy());
    const all = async () =>
      (await db.selectFrom("investigations").select("body").execute()).map(({ body }) => JSON.parse(body) as Investigation);
    const cards = async () => db.selectFrom("channel_messages").select(["id", "body"]).where("kind", "=", "card").execute();

    const first = await start();
    await until("the second question to the model", () => model.requests.length >= 2, 60_000);
    await until("the cost so far to be stored", async () => (await all())[0]?.cost !== undefined, 10_000);
    await first.stop("SIGKILL");
    const [before] = await all();
    expect(before).toMatchObject({ state: "running" });

    const second = await start();
    await until("the end", async () => (await all())[0]?.state === "done", 60_000).catch((error) => {
      throw new Error(`${error}\n${second.log().slice(-2_000)}`);
    });
    const [after, ...others] = await all();
    expect(others).toEqual([]);
    expect(after).toMatchObject({ id: before?.id, interruptions: 1 });
    expect(after?.steps.filter(({ state }) => state === "running")).toEqual([]);
    for (const key of ["modelCalls", "toolCalls", "inputTokens", "dollars"] as const)
      expect(after?.cost?.[key], key).toBeGreaterThan(before?.cost?.[key] ?? Number.NaN);
    const told = await cards();
    expect(told.map(({ id }) => id)).toEqual([`investigation:${after?.id}`]);
    expect((JSON.parse(told[0]?.body ?? "{}") as Card).context.join(" ")).toContain("begun anew after an interruption");
    expect(await db.selectFrom("incidents").select("id").execute()).toHaveLength(1);
    expect(model.refused).toEqual([]);
  });
});
