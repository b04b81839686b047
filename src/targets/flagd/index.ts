import { access, constants } from "node:fs/promises";
import type { Cohort, FlagProvider, FlagState, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import type { EpochMs } from "../../domain/time.ts";
import {
  type Edit,
  editFlagFile,
  type FlagDefinition,
  fingerprintOf,
  readFlagFile,
  shapeOf,
  stateOf,
  targetingFor,
} from "./flag-file.ts";

/** Acts on a flagd-format JSON file. Who changed a flag last, when and why is kept in its `metadata`. */
export class FlagdFile implements FlagProvider, Probe {
  readonly concern = "flags";
  readonly file: string;
  readonly environment: string;
  readonly #now: () => EpochMs;

  /** @param now telemetry time, so that a change lines up with what it caused. */
  constructor(options: { readonly file: string; readonly environment: string; readonly now: () => EpochMs }) {
    this.file = options.file;
    this.environment = options.environment;
    this.#now = options.now;
  }

  async check(): Promise<string> {
    const { flags } = await readFlagFile(this.file);
    await access(this.file, constants.W_OK).catch((error) => {
      throw new TargetError(
        `The flag file ${this.file} cannot be written by this user; give it the right, or change flags.file.`,
        {
          outcomeUnknown: false,
          cause: error,
        },
      );
    });
    return `flagd file ${this.file}: ${Object.keys(flags).length} flags`;
  }

  async list(): Promise<readonly FlagState[]> {
    const { flags } = await readFlagFile(this.file);
    return Object.entries(flags).map(([key, flag]) => stateOf(key, flag));
  }

  async get(key: string): Promise<FlagState | null> {
    const { flags } = await readFlagFile(this.file);
    const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
    return flag ? stateOf(key, flag) : null;
  }

  setPercent(key: string, percent: number, write: WriteContext): Promise<FlagState> {
    if (!Number.isFinite(percent) || percent < 0 || percent > 100) {
      throw new TargetError(`percent is ${percent}; give a number from 0 to 100.`, { outcomeUnknown: false });
    }
    return this.#change(key, write, (flag) => [
      { path: ["targeting"], value: targetingFor(flag, { percent, pinnedOff: shapeOf(flag)?.pinnedOff ?? [] }) },
    ]);
  }

  setEnabled(key: string, enabled: boolean, write: WriteContext): Promise<FlagState> {
    return this.#change(key, write, () => [{ path: ["state"], value: enabled ? "ENABLED" : "DISABLED" }]);
  }

  pinCohort(key: string, cohort: Cohort, pinned: boolean, write: WriteContext): Promise<FlagState> {
    return this.#change(key, write, (flag) => {
      const shape = shapeOf(flag);
      if (!shape) {
        throw new TargetError(`${key} has a targeting rule of its own; a cohort cannot be pinned in it safely.`, {
          outcomeUnknown: false,
        });
      }
      if (shape.pinnedOff.includes(cohort) === pinned) return [];
      const others = shape.pinnedOff.filter((one) => one !== cohort);
      return [{ path: ["targeting"], value: targetingFor(flag, { ...shape, pinnedOff: pinned ? [...others, cohort] : others }) }];
    });
  }

  /** Behaviour as JSON: state, default variant and targeting. */
  async snapshot(key: string): Promise<string> {
    const { flags } = await readFlagFile(this.file);
    const flag = flags[key];
    if (!flag) throw unknownFlag(key, Object.keys(flags));
    const { state, defaultVariant, targeting } = flag;
    return JSON.stringify({ state, defaultVariant, targeting });
  }

  restore(key: string, snapshot: string, write: WriteContext): Promise<FlagState> {
    const { state, defaultVariant, targeting } = JSON.parse(snapshot) as Partial<FlagDefinition>;
    return this.#change(key, write, () => [
      { path: ["state"], value: state },
      { path: ["defaultVariant"], value: defaultVariant },
      { path: ["targeting"], value: targeting },
    ]);
  }

  async #change(key: string, write: WriteContext, edits: (flag: FlagDefinition) => readonly Edit[]): Promise<FlagState> {
    const after = await editFlagFile(this.file, ({ flags }) => {
      const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
      if (!flag) throw unknownFlag(key, Object.keys(flags));
      if (flag.metadata?.idempotencyKey === write.idempotencyKey) return [];
      if (write.expected !== null && fingerprintOf(flag) !== write.expected) {
        throw new StateMovedError(`${key} is not as it was when this was decided; look again and propose anew.`);
      }
      const wanted = edits(flag);
      const record: Readonly<Record<string, string>> = {
        updatedBy: write.actor,
        updatedAt: new Date(this.#now()).toISOString(),
        reason: write.reason.slice(0, 300),
        idempotencyKey: write.idempotencyKey,
      };
      return [
        ...wanted.map(({ path, value }) => ({ path: ["flags", key, ...path], value })),
        ...Object.entries(record).map(([name, value]) => ({ path: ["flags", key, "metadata", name], value })),
      ];
    });
    const flag = after.flags[key];
    if (!flag) throw unknownFlag(key, Object.keys(after.flags));
    return stateOf(key, flag);
  }
}

function unknownFlag(key: string, known: readonly string[]): TargetError {
  return new TargetError(`There is no flag ${JSON.stringify(key.slice(0, 80))}; the file has: ${known.join(", ")}.`, {
    outcomeUnknown: false,
  });
}
