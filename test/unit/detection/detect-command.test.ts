import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { detect, readSeries } from "../../../src/commands/detect.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { START, simulate, uniform } from "./simulate.ts";

const folder = mkdtempSync(join(tmpdir(), "vigil-detect-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function anomaliesOf(path: string) {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  await detect(path, { json: true });
  const printed = write.mock.calls.map(([written]) => String(written)).join("");
  write.mockRestore();
  return (JSON.parse(printed) as { anomalies: { start: string; detected_at: string; end: string | null; score: number }[] })
    .anomalies;
}

const shifted = simulate({ seed: 21, days: 10, noise: 0.05, step: 5 * MINUTE }).map(({ at, value }) => {
  const since = at - START - 8 * DAY;
  return { at, value: since >= 0 && since < 6 * HOUR ? value * 1.6 : value };
});
const text = (at: number) => new Date(at).toISOString().slice(0, 19).replace("T", " ");
const csv = (rows: readonly { at: number; value: number | string }[]) =>
  `timestamp,value\n${rows.map(({ at, value }) => `${text(at)},${value}`).join("\n")}\n`;

describe("vigil detect", () => {
  it("finds a shift in a recorded series, with times in UTC", async () => {
    const found = await anomaliesOf(file("shift.csv", csv(shifted)));
    const main = found.find(
      ({ detected_at }) => Date.parse(detected_at) - START - 8 * DAY < HOUR && Date.parse(detected_at) >= START + 8 * DAY,
    );
    expect(main).toBeDefined();
    expect(main?.start).toMatch(/^2026-01-13T00:\d\d:00Z$/);
    expect(Date.parse(main?.end ?? "")).toBeGreaterThan(START + 8 * DAY + 5 * HOUR);
    expect(main?.score).toBeGreaterThanOrEqual(1);
  });

  it("knows only the past: a record cut short gives the same anomalies up to the cut", async () => {
    const whole = await anomaliesOf(file("whole.csv", csv(shifted)));
    const cutAt = START + 8 * DAY + 2 * HOUR;
    const cut = await anomaliesOf(file("cut.csv", csv(shifted.filter(({ at }) => at < cutAt))));
    const detected = (list: typeof whole) =>
      list.filter(({ detected_at }) => Date.parse(detected_at) < cutAt).map((one) => one.detected_at);
    expect(detected(cut)).toEqual(detected(whole));
    expect(cut.at(-1)?.end).toBeNull();
  });

  it("reads gzip, Unix seconds and milliseconds, other columns, and any order alike", async () => {
    const expected = await readSeries(file("a.csv", csv(shifted)));
    const seconds = shifted.map(({ at, value }) => `${value},x,${at / 1_000}`).reverse();
    expect(await readSeries(file("b.csv.gz", gzipSync(`Value,note,Timestamp\n${seconds.join("\n")}`)))).toEqual(expected);
    const millis = shifted.map(({ at, value }) => `${at},${value}`);
    expect(await readSeries(file("c.csv", `\ufefftimestamp,value\r\n${millis.join("\r\n")}\r\n`))).toEqual(expected);
  });

  it("lives with gaps, uneven steps, duplicates and cells without a number", async () => {
    const random = uniform(3);
    const ragged = shifted.flatMap(({ at, value }): { at: number; value: number | string }[] => {
      if (random() < 0.1) return [];
      if (random() < 0.05) return [{ at, value: random() < 0.5 ? "NaN" : "" }];
      return random() < 0.05
        ? [
            { at, value },
            { at, value: 0 },
          ]
        : [{ at: at + Math.floor(random() * 60) * 1_000, value }];
    });
    const found = await anomaliesOf(file("ragged.csv", csv(ragged)));
    expect(found.some(({ detected_at }) => Math.abs(Date.parse(detected_at) - START - 8 * DAY - HOUR) <= 2 * HOUR)).toBe(true);
  });

  it.each([
    ["empty.csv", "", /empty\.csv is empty: give a CSV/],
    ["header.csv", "timestamp,value\n", /no rows below its header/],
    ["one.csv", "value\n1\n2\n", /line 1: the header is "value" but the columns timestamp and value are needed/],
    ["time.csv", "timestamp,value\n2026-01-05 00:00:00,1\nyesterday,2\n", /line 3: the timestamp "yesterday" is not a time/],
    [
      "value.csv",
      "timestamp,value\n2026-01-05 00:00:00,1\n2026-01-05 00:01:00,many\n",
      /line 3: the value "many" is not a number/,
    ],
    ["quote.csv", 'timestamp,value\n"2026-01-05 00:00:00,1\n', /is not a CSV/],
    ["broken.gz", Buffer.from([0x1f, 0x8b, 1, 2, 3]), /broken gzip/],
  ])("says what is wrong with %s", async (name, content, message) => {
    await expect(detect(file(name, content), { json: true })).rejects.toThrow(message);
  });

  it("says that a file does not exist", async () => {
    await expect(detect(join(folder, "nowhere.csv"), {})).rejects.toThrow(/nowhere\.csv does not exist/);
  });
});
