import { createDetector, restoreDetector, type SeriesDetector } from "../../src/detection/index.ts";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { START, simulate } from "../unit/detection/simulate.ts";

/**
 * How a cycle (one new sample for every series), memory and stored state grow with the number of series. Targets: 10,000 in 6 s and 1 GB.
 * Times are CPU time of this process, so that what else the machine does is not counted.
 */
const CYCLES = 30;
const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};
const shapes = Array.from({ length: 8 }, (_, seed) => simulate({ seed, days: 15, noise: 0.05 }));
const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0).padStart(6);

console.log("series   train ms each   cycle ms mean   worst   state kB each   restore ms each   memory MB");
for (const count of [1_000, 3_000, 10_000]) {
  const trainFrom = cpu();
  const detectors: SeriesDetector[] = [];
  for (let index = 0; index < count; index++) {
    // Training each of ten thousand would take minutes: eight are trained, the rest are restored from their states.
    const template = detectors[index % 8];
    if (index >= 8 && template) {
      detectors.push(restoreDetector(template.state()));
      continue;
    }
    const detector = createDetector({ step: MINUTE, kind: "latency", falseAlarmsPerWeek: 0.5 / count });
    detector.train((shapes[index] ?? []).filter(({ at }) => at < START + 14 * DAY));
    detectors.push(detector);
    if (index === 7) console.log(`${"".padEnd(9)}${((cpu() - trainFrom) / 8).toFixed(1).padStart(13)}`);
  }
  const times: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const before = cpu();
    for (let index = 0; index < count; index++) {
      const point = shapes[index % 8]?.[14 * 1_440 + cycle];
      if (point) detectors[index]?.observe(point);
    }
    times.push(cpu() - before);
  }
  const saved = detectors.slice(0, 200).map((detector) => JSON.stringify(detector.state()));
  const restoreFrom = cpu();
  for (const text of saved) restoreDetector(JSON.parse(text));
  const restore = (cpu() - restoreFrom) / saved.length;
  console.log(
    [
      String(count).padStart(6),
      "".padStart(15),
      (times.reduce((sum, time) => sum + time, 0) / times.length).toFixed(1).padStart(15),
      Math.max(...times)
        .toFixed(0)
        .padStart(7),
      (saved.reduce((sum, text) => sum + text.length, 0) / saved.length / 1_000).toFixed(1).padStart(15),
      restore.toFixed(2).padStart(17),
      megabytes(process.memoryUsage().rss).padStart(11),
    ].join(" "),
  );
}

const many = Array.from({ length: 400 }, (_, index) => {
  const detector = createDetector({ step: MINUTE, kind: "latency", falseAlarmsPerWeek: 0.001 });
  const factor = 1 + index / 97;
  const points = (shapes[index % 8] ?? []).map(({ at, value }) => ({ at, value: value * factor }));
  detector.train(points.filter(({ at }) => at < START + 14 * DAY));
  return { detector, next: points.filter(({ at }) => at >= START + 14 * DAY) };
});
let worst = 0;
for (let minute = 0; minute < 1_440; minute++) {
  const before = cpu();
  for (const { detector, next } of many) {
    const point = next[minute];
    if (point) detector.observe(point);
  }
  worst = Math.max(worst, cpu() - before);
}
console.log(
  `A whole day with daily refits, ${many.length} series trained one by one: worst cycle ${worst.toFixed(0)} ms, for 10,000 series ${((worst * 10_000) / many.length).toFixed(0)} ms`,
);
