import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    globalSetup: "test/support/temp-folder.ts",
    pool: "forks",
    maxWorkers: 2,
    // The stories run in real time beside everything else; a machine that stalls gets a second chance, and the report says so.
    retry: process.env.CI ? 1 : 0,
  },
});
