import type { ChangeEvent } from "../../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../../domain/time.ts";
import { DAY } from "../../domain/time.ts";
import { type FlagDefinition, fingerprintOf, ownerOf, readFlagFile, shapeOf, stateOf } from "../../targets/flagd/flag-file.ts";
import { type ChangeWatcher, type Cursor, pollingWatcher } from "../change-watcher.ts";

/** The flags as they were last seen, behaviour and all. */
export type FlagCursor = Readonly<Record<string, FlagDefinition>>;

/** Notices changes of a flagd file: who (metadata, else the file's owner), what, before and after. The first look only remembers. */
export function watchFlagFile(options: {
  readonly file: string;
  readonly environment: string;
  readonly now: () => EpochMs;
  readonly every: Milliseconds;
  readonly cursor: Cursor<FlagCursor>;
  readonly sink: (changes: readonly ChangeEvent[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}): ChangeWatcher {
  return pollingWatcher<FlagCursor>({
    ...options,
    look: async (seen) => {
      const { flags } = await readFlagFile(options.file);
      if (!seen) return { changes: recorded(flags, options), cursor: flags };
      const keys = [...new Set([...Object.keys(seen), ...Object.keys(flags)])];
      const changed = keys.filter(
        (key) => describe(seen[key]) !== describe(flags[key]) || print(seen[key]) !== print(flags[key]),
      );
      if (changed.length === 0) return null;
      const owner = await ownerOf(options.file);
      const changes = changed.map((key) => event(key, seen[key], flags[key], owner, options));
      return { changes, cursor: flags };
    },
  });
}

const print = (flag: FlagDefinition | undefined): string => (flag ? fingerprintOf(flag) : "");

function describe(flag: FlagDefinition | undefined): string {
  if (!flag) return "absent";
  if (flag.state !== "ENABLED") return "off";
  const shape = shapeOf(flag);
  if (!shape) return "a targeting rule of its own";
  const pins = shape.pinnedOff.length > 0 ? `, off for ${shape.pinnedOff.join(" and ")} traffic` : "";
  return `${Number(shape.percent.toFixed(2))}% on${pins}`;
}

/** Changes that the file itself dates, for a file seen for the first time: what was changed shortly before Vigil came. */
function recorded(flags: FlagCursor, options: { file: string; environment: string; now: () => EpochMs }): ChangeEvent[] {
  return Object.entries(flags).flatMap(([key, flag]) => {
    const previous = flag.metadata?.previous;
    const at = timeOf(flag);
    if (typeof previous !== "string" || at === null || at > options.now() || at < options.now() - 7 * DAY) return [];
    return [{ ...event(key, undefined, flag, "unknown", options), before: previous }];
  });
}

function timeOf(flag: FlagDefinition | undefined): EpochMs | null {
  const at = Date.parse(String(flag?.metadata?.updatedAt ?? ""));
  return Number.isFinite(at) ? at : null;
}

function event(
  key: string,
  before: FlagDefinition | undefined,
  after: FlagDefinition | undefined,
  owner: string,
  options: { readonly file: string; readonly environment: string; readonly now: () => EpochMs },
): ChangeEvent {
  const now = options.now();
  const stamped = timeOf(after);
  // A stamp that did not move with the behaviour, or lies far off, is not this change's.
  const fresh = stamped !== null && stamped !== timeOf(before) && Math.abs(stamped - now) < 7 * DAY;
  const at = fresh ? stamped : now;
  const metadata = (fresh ? after : undefined)?.metadata;
  const state = after ? stateOf(key, after) : null;
  return {
    id: `flag:${key}:${print(before) || "none"}:${print(after) || "none"}:${at}`,
    at,
    kind: "flag",
    subject: key,
    services: state?.services ?? [],
    environment: options.environment,
    actor: typeof metadata?.updatedBy === "string" ? metadata.updatedBy : owner,
    before: describe(before),
    after: describe(after),
    summary: [metadata?.reason, state?.description].filter((text) => typeof text === "string" && text !== "").join(" · "),
    reference: options.file.split("/").at(-1) ?? options.file,
    source: "flagd",
  };
}
