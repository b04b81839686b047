import { expect, it } from "vitest";
import { slackLoad } from "../support/slack-load.ts";

it("3, 5, 51: at a thousand events a minute nothing is lost and nothing is answered twice", async () => {
  const result = await slackLoad({ perMinute: 1_000, seconds: 4, seed: 11 });
  expect(result).toMatchObject({ lost: 0, twice: 0, refusedBlocks: 0 });
  expect(result.questions).toBeGreaterThan(20);
}, 90_000);
