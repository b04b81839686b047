/** A synthetic system of services for the scaling bench: layers of services that call each other, with RED and USE metrics and traces. */
import type { DiagnosisInput, MetricColumn, Span } from "../../src/diagnosis/types.ts";
import { normal, uniform } from "../unit/detection/simulate.ts";

const MINUTE = 60;
const START = 1_700_000_000;
const BEFORE = 180;
const DURING = 12;
/** Samples of the incident's table that are still normal. */
const QUIET = 4;
const NOISE = 0.06;
const TRACES = 400;
const LONGEST_TRACE = 30;

interface Service {
  readonly name: string;
  /** Seconds of its own work per request. */
  readonly own: number;
  /** Requests per second from outside; 0 but for the entries. */
  readonly outside: number;
  readonly calls: { readonly callee: number; readonly each: number }[];
}

export interface SyntheticCase {
  readonly input: DiagnosisInput;
  readonly cause: string;
  readonly fault: Fault;
}

export type Fault = "slow code" | "errors" | "cpu hog";
export const FAULTS: readonly Fault[] = ["slow code", "errors", "cpu hog"];

/**
 * One incident of a system of `size` services: a random service gets the fault, and its callers suffer along the calls (waiting adds up,
 * errors are handed on by half). A twentieth of the services are entries; each other one is called by one to three of the layer above.
 * The symptom is seen at the entry that suffers most. Every series has noise of 6 %, and one in fifty moves by a third for reasons of its own.
 */
export function syntheticCase(size: number, seed: number): SyntheticCase {
  const random = uniform(seed);
  const services = system(size, random);
  const order = services.map((_, index) => index).reverse();
  const fault = FAULTS[Math.floor(random() * FAULTS.length)] ?? "errors";
  const entries = services.flatMap(({ outside }, index) => (outside > 0 ? [index] : []));
  const cause = entries.length + Math.floor(random() * (size - entries.length));
  const requests = requestRates(services);
  const latency = latencies(services, order, () => 0);
  // How often each service ends up asking the faulty one, per request of its own.
  const reach = summedUp(services, order, (index) => (index === cause ? 1 : 0));
  const entry = entries.reduce((most, one) => ((reach[one] ?? 0) > (reach[most] ?? 0) ? one : most), entries[0] ?? 0);
  const delay = fault === "errors" ? 0 : (0.2 * (latency[entry] ?? 0)) / Math.max(0.05, reach[entry] ?? 0);
  const slowed = latencies(services, order, (index) => (index === cause ? delay : 0));
  const failing = summedUp(services, order, (index) => (index === cause && fault === "errors" ? 0.4 : 0), 0.5);
  const gaussian = normal(random);
  const odd = () => (random() < 0.02 ? 0.67 + 0.66 * Math.round(random()) : 1);

  const columns = services.flatMap(({ name }, index): { before: MetricColumn; during: MetricColumn }[] => {
    const series = (metric: string, level: number, faulty: number) => {
      const strange = odd();
      const noisy = (value: number) => Math.max(0, value * (1 + NOISE * gaussian()));
      const column = (values: Float64Array): MetricColumn => ({ service: name, metric, statistic: null, values });
      return {
        before: column(Float64Array.from({ length: BEFORE }, () => noisy(level))),
        during: column(Float64Array.from({ length: DURING }, (_, at) => noisy(at < QUIET ? level : faulty * strange))),
      };
    };
    const rate = requests[index] ?? 0;
    const [calm, slow] = [latency[index] ?? 0, slowed[index] ?? 0];
    const busy = 0.3 * (index === cause && fault === "cpu hog" ? 2.5 : 1);
    return [
      series("requests_per_second", rate, rate),
      series("latency_p50_seconds", calm, slow),
      series("latency_p95_seconds", 2.2 * calm, 2.2 * slow),
      series("errors_per_second", 0.002 * rate, rate * Math.min(1, 0.002 + (failing[index] ?? 0))),
      series("cpu_usage", 0.3, busy),
      series("memory_bytes", 2e8, 2e8),
    ];
  });
  const table = (from: number, length: number, all: readonly MetricColumn[]) => ({
    times: Float64Array.from({ length }, (_, at) => from + at * MINUTE),
    columns: all,
  });
  const incident = START + BEFORE * MINUTE;
  const symptom = { service: services[entry]?.name ?? "", at: incident + QUIET * MINUTE };
  return {
    cause: services[cause]?.name ?? "",
    fault,
    input: {
      symptom: { ...symptom, metric: fault === "errors" ? "errors_per_second" : "latency_p50_seconds" },
      before: table(
        START,
        BEFORE,
        columns.map(({ before }) => before),
      ),
      during: table(
        incident,
        DURING,
        columns.map(({ during }) => during),
      ),
      graph: {
        edges: services.flatMap(({ name, calls }) => calls.map(({ callee }) => [name, services[callee]?.name ?? ""] as const)),
      },
      spans: {
        before: traces(services, entries, latency, START, random),
        during: traces(services, entries, slowed, symptom.at, random),
      },
    },
  };
}

/** Entries first, and every service before those that it calls. */
function system(size: number, random: () => number): Service[] {
  const entries = Math.max(1, Math.round(size / 20));
  const layer = Math.max(2, Math.round(size / 5));
  const services = Array.from(
    { length: size },
    (_, index): Service => ({
      name: `service-${index}`,
      own: 0.004 * 10 ** random(),
      outside: index < entries ? 5 + 45 * random() : 0,
      calls: [],
    }),
  );
  for (let callee = entries; callee < size; callee++) {
    const from = Math.max(0, callee - layer);
    const until = Math.min(callee, Math.max(entries, callee - Math.floor(layer / 4)));
    const callers = new Set(
      Array.from({ length: 1 + Math.floor(3 * random()) }, () => from + Math.floor((until - from) * random())),
    );
    for (const caller of callers) services[caller]?.calls.push({ callee, each: 0.2 + 0.8 * random() });
  }
  return services;
}

function requestRates(services: readonly Service[]): number[] {
  const rates = services.map(({ outside }) => outside);
  services.forEach(({ calls }, index) => {
    for (const { callee, each } of calls) rates[callee] = (rates[callee] ?? 0) + each * (rates[index] ?? 0);
  });
  return rates;
}

const latencies = (services: readonly Service[], order: readonly number[], added: (index: number) => number): number[] =>
  summedUp(services, order, (index) => (services[index]?.own ?? 0) + added(index));

/** What a request of each service takes of something in all, its calls included. */
function summedUp(
  services: readonly Service[],
  order: readonly number[],
  own: (index: number) => number,
  handedOn = 1,
): number[] {
  const total = services.map(() => 0);
  for (const index of order) {
    const calls = services[index]?.calls ?? [];
    total[index] = calls.reduce((sum, { callee, each }) => sum + handedOn * each * (total[callee] ?? 0), own(index));
  }
  return total;
}

function traces(
  services: readonly Service[],
  entries: readonly number[],
  latency: readonly number[],
  from: number,
  random: () => number,
): Span[] {
  const spans: Span[] = [];
  for (let trace = 0; trace < TRACES; trace++) {
    const start = from + (trace * 3 * MINUTE) / TRACES;
    const open = [{ index: entries[trace % entries.length] ?? 0, parent: null as string | null }];
    for (let made = 0; open.length > 0 && made < LONGEST_TRACE; made++) {
      const { index, parent } = open.shift() ?? { index: 0, parent: null };
      const id = `${from}-${trace}-${made}`;
      const service = services[index];
      spans.push({
        trace: `${from}-${trace}`,
        id,
        parent,
        service: service?.name ?? "",
        operation: "handle",
        start: start + made / 1000,
        duration: (latency[index] ?? 0) * (0.7 + 0.6 * random()),
      });
      for (const { callee, each } of service?.calls ?? []) if (random() < each) open.push({ index: callee, parent: id });
    }
  }
  return spans;
}
