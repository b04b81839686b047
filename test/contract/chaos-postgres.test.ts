import { afterAll, beforeAll, expect, it } from "vitest";
import { chaos } from "../chaos/harness.ts";
import { postgresDatabases } from "../support/state-places.ts";

const places = postgresDatabases();
beforeAll(() => places.start(), 120_000);
afterAll(() => places.stop());

it("no invariant breaks in 10 random schedules over two processes on one real PostgreSQL", async () => {
  const { findings, tally } = await chaos(await places.fresh(), 10, 30_000);
  expect(findings).toEqual([]);
  expect(tally.proposals).toBeGreaterThan(10);
}, 120_000);
