import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readCaseFolder } from "../../../src/commands/case-folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "case-"));
  await writeFile(join(folder, "case.json"), JSON.stringify({ symptom: { service: "web", metric: null, time: 600 } }));
});
afterEach(() => rm(folder, { recursive: true }));
const during = (text: string) => writeFile(join(folder, "during.csv.gz"), gzipSync(text));

it("reads the symptom and the metrics, with empty and NaN cells as no sample", async () => {
  await during("time,web|latency|Average,store|cpu\n600,0.25,\n660,NaN,7\n");
  const input = await readCaseFolder(folder);
  expect(input.symptom).toEqual({ service: "web", metric: null, at: 600 });
  expect(input.during.columns.map(({ service, metric, statistic, values }) => [service, metric, statistic, ...values])).toEqual([
    ["web", "latency", "Average", 0.25, Number.NaN],
    ["store", "cpu", null, Number.NaN, 7],
  ]);
  expect(input.before).toBeNull();
});

it("names the file, row, column and remedy of a bad cell", async () => {
  await during("time,web|cpu\n600,fast\n");
  await expect(readCaseFolder(folder)).rejects.toThrow(
    /during\.csv\.gz, row 2, column "web\|cpu": "fast" is not a number\. Write a number/,
  );
});

it("says what is missing", async () => {
  await expect(readCaseFolder(folder)).rejects.toThrow(/during\.csv\.gz is missing/);
  await expect(readCaseFolder(join(folder, "absent"))).rejects.toThrow(/There is no folder/);
});
