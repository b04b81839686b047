import { defineConfig } from "vitest/config";
import { LongFirst } from "./test/support/long-first.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Guards against what hangs. What a test says about speed it measures itself.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    globalSetup: "test/support/temp-folder.ts",
    pool: "forks",
    // The long ones wait more than they compute: three fill two processors, and leave the demo its time.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    // A machine that stalls gets a second chance, and the report says so. Each try of a story begins in a new world.
    retry: process.env.CI ? 1 : 0,
  },
});
