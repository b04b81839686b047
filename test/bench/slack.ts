import { parseArgs } from "node:util";
import { slackLoad } from "../support/slack-load.ts";

/** A minute of Slack under fire; exits with 1 when an event was lost or answered twice, or the acknowledgement was slow. */

const { values } = parseArgs({
  options: {
    "per-minute": { type: "string", default: "1000" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "3" },
  },
});
const result = await slackLoad({
  perMinute: Number(values["per-minute"]),
  seconds: Number(values.seconds),
  seed: Number(values.seed),
});
const ms = (value: number) => `${value.toFixed(0)} ms`;
const rows: [string, string][] = [
  ["events delivered", `${result.events} in ${result.seconds.toFixed(0)} s`],
  ["questions among them", String(result.questions)],
  ["delivered again by Slack", String(result.duplicates)],
  ["acknowledged p50 / p95 / p99 / max", Object.values(result.ack).map(ms).join(" / ")],
  ["sent again for want of one / never", `${result.retries} / ${result.unacknowledged}`],
  ["questions without an answer", String(result.lost)],
  ["questions answered twice", String(result.twice)],
  ["messages that Slack would refuse", String(result.refusedBlocks)],
  ["CPU of both sides an event", `${result.cpuMsPerEvent.toFixed(1)} ms`],
  ["memory", `${result.megabytes.toFixed(0)} MB, both sides`],
];
for (const [name, value] of rows) process.stdout.write(`${name.padEnd(36)} ${value}\n`);
const good = result.lost === 0 && result.twice === 0 && result.unacknowledged === 0 && result.ack.p95 < 300;
process.exit(good ? 0 : 1);
