import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { lock } from "proper-lockfile";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { StateMovedError, TargetError, type WorkloadState, type WorkloadTarget, type WriteContext } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import { type EpochMs, type Milliseconds, SECOND } from "../../domain/time.ts";

const workload = z.strictObject({
  replicas: z.number().int().min(1),
  stateful: z.boolean().default(false),
  /** Time of the last restart, ISO 8601. */
  restartedAt: z.iso.datetime().nullable().default(null),
  /** Until when copies are being replaced or added, ISO 8601. */
  settlesAt: z.iso.datetime().nullable().default(null),
  changedBy: z.string().optional(),
  reason: z.string().optional(),
  idempotencyKey: z.string().optional(),
});
const document = z.strictObject({ workloads: z.record(z.string(), workload) });

export type Workload = z.output<typeof workload>;
type Document = z.output<typeof document>;

/** How long copies take to come up. */
const COMES_UP: Milliseconds = 30 * SECOND;

/** Running copies as a JSON file says, for what no orchestrator runs: the demo shop obeys it. */
export class WorkloadFile implements WorkloadTarget, Probe {
  readonly concern = "workloads";
  readonly file: string;
  readonly environment: string;
  readonly #now: () => EpochMs;

  /** @param now telemetry time, so that a change lines up with what it caused */
  constructor(options: { readonly file: string; readonly environment: string; readonly now: () => EpochMs }) {
    this.file = options.file;
    this.environment = options.environment;
    this.#now = options.now;
  }

  async check(): Promise<string> {
    const { workloads } = await readWorkloads(this.file);
    return `${Object.keys(workloads).length} workloads in ${this.file}`;
  }

  async list(): Promise<readonly WorkloadState[]> {
    const { workloads } = await readWorkloads(this.file);
    return Object.entries(workloads).map(([service, one]) => this.#state(service, one));
  }

  async get(service: string): Promise<WorkloadState | null> {
    return (await this.list()).find((one) => one.service === service) ?? null;
  }

  restart(service: string, write: WriteContext): Promise<WorkloadState> {
    const at = this.#now();
    return this.#change(service, write, (one) => {
      // Two restarts within a millisecond are still two.
      const last = one.restartedAt === null ? 0 : Date.parse(one.restartedAt);
      return { ...one, restartedAt: iso(Math.max(at, last + 1)), settlesAt: iso(at + COMES_UP) };
    });
  }

  async scale(service: string, replicas: number, write: WriteContext): Promise<WorkloadState> {
    if (!Number.isInteger(replicas) || replicas < 1)
      throw new TargetError(`replicas is ${replicas}; give a whole number, at least 1.`, { outcomeUnknown: false });
    const settlesAt = iso(this.#now() + COMES_UP);
    return this.#change(service, write, (one) => (one.replicas === replicas ? one : { ...one, replicas, settlesAt }));
  }

  async #change(service: string, write: WriteContext, change: (one: Workload) => Workload): Promise<WorkloadState> {
    const release = await lock(this.file, { retries: { retries: 20, minTimeout: 25, maxTimeout: 250 } }).catch((cause) => {
      throw new TargetError(`${this.file} is locked by another writer. Try again.`, { outcomeUnknown: false, cause });
    });
    try {
      const before = await readWorkloads(this.file);
      const one = Object.hasOwn(before.workloads, service) ? before.workloads[service] : undefined;
      if (!one) throw new TargetError(`No workload in ${this.file} runs ${service.slice(0, 80)}.`, { outcomeUnknown: false });
      if (one.idempotencyKey === write.idempotencyKey) return this.#state(service, one);
      if (write.expected !== null && write.expected !== fingerprintOf(one))
        throw new StateMovedError(`${service} is not as it was when this was decided; look again and propose anew.`);
      const { actor: changedBy, reason, idempotencyKey } = write;
      const after: Workload = { ...change(one), changedBy, reason: reason.slice(0, 300), idempotencyKey };
      const text = JSON.stringify({ workloads: { ...before.workloads, [service]: after } }, null, 2);
      await writeFileAtomic(this.file, `${text}\n`, { mode: (await stat(this.file)).mode & 0o777 });
      return this.#state(service, after);
    } finally {
      await release();
    }
  }

  #state(service: string, one: Workload): WorkloadState {
    const settling = one.settlesAt !== null && this.#now() < Date.parse(one.settlesAt);
    return {
      service,
      environment: this.environment,
      replicas: one.replicas,
      ready: settling ? one.replicas - 1 : one.replicas,
      settling,
      stateful: one.stateful,
      bounds: null,
      restartMark: one.restartedAt,
      fingerprint: fingerprintOf(one),
    };
  }
}

/** @throws TargetError naming the file and the remedy */
async function readWorkloads(file: string): Promise<Document> {
  try {
    return document.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new TargetError(`The workload file ${file} cannot be used (${why}).`, { outcomeUnknown: false, cause: error });
  }
}

const fingerprintOf = ({ replicas, restartedAt }: Workload): string =>
  createHash("sha256")
    .update(JSON.stringify([replicas, restartedAt]))
    .digest("hex")
    .slice(0, 16);

const iso = (at: EpochMs): string => new Date(at).toISOString();
