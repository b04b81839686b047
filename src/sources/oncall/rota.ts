import { readFile } from "node:fs/promises";
import { DateTime, IANAZone } from "luxon";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { OnCallPerson, OnCallSource } from "../../domain/oncall.ts";
import { SourceError } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";

const zone = z.string().refine(IANAZone.isValidZone, "must be an IANA time zone, for instance Europe/Berlin");
/** A wall-clock time of the rota's zone; an offset of its own would contradict it. */
const localTime = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2})?$/, "must be a local time without offset, for instance 2026-03-02T09:00")
  .refine((text) => DateTime.fromISO(text.replace(" ", "T")).isValid, "is no such day or time");
const length = z.string().regex(/^[1-9]\d{0,2}[hdw]$/, "must be hours, days or weeks, for instance 12h, 1d or 1w");

const person = z.strictObject({
  name: z.string().min(1),
  email: z.email().optional(),
  slack: z
    .string()
    .regex(/^[UW][A-Z0-9]{2,}$/, "must be a Slack user id, for instance U0123ABCD")
    .optional(),
});

const schedule = z.strictObject({
  name: z.string().min(1),
  /** Services that it is for; none means all. */
  services: z.array(z.string().min(1)).default([]),
  level: z.int().min(1).default(1),
  timeZone: zone.optional(),
  start: localTime,
  length,
  /** Names, in the order of their turns. */
  rotation: z.array(z.string().min(1)).min(1),
  overrides: z.array(z.strictObject({ from: localTime, to: localTime, person: z.string().min(1) })).default([]),
});

const rota = z.strictObject({
  timeZone: zone,
  people: z.array(person).min(1),
  schedules: z.array(schedule).min(1),
});

type Rota = z.output<typeof rota>;
type Schedule = z.output<typeof schedule>;

/**
 * Reads a rota. Turns change at the same local time on both sides of a change to or from daylight saving.
 *
 * @throws SourceError naming key, value and remedy
 */
export function parseRota(text: string, file: string): Rota {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw new SourceError(`${file} is not valid YAML: ${error.message}`);
  const parsed = rota.safeParse(document.toJS());
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the file"} ${message}`);
    throw new SourceError(`${file} is not a rota: ${faults.join("; ")}.`);
  }
  const known = new Set(parsed.data.people.map(({ name }) => name));
  for (const [at, { name, rotation, overrides, ...one }] of parsed.data.schedules.entries()) {
    for (const who of [...rotation, ...overrides.map(({ person }) => person)]) {
      if (!known.has(who)) throw new SourceError(`${file}: schedules.${at} (${name}) names ${who}, who is not under people.`);
    }
    const zoneName = one.timeZone ?? parsed.data.timeZone;
    for (const [index, { from, to }] of overrides.entries()) {
      if (instant(from, zoneName) >= instant(to, zoneName)) {
        throw new SourceError(`${file}: schedules.${at}.overrides.${index} ends at ${to}, before it begins at ${from}.`);
      }
    }
  }
  return parsed.data;
}

/** Who is on call by a rota at a moment; an override wins over the turn, and of two overrides the later in the file. */
export function onCallOf(rota: Rota, service: string | null, at: EpochMs): OnCallPerson[] {
  const serving = rota.schedules.filter(({ services }) => service === null || services.includes(service));
  // A schedule for all services covers those that have none of their own.
  const used = serving.length > 0 ? serving : rota.schedules.filter(({ services }) => services.length === 0);
  return used
    .flatMap((schedule) => {
      const duty = dutyOf(schedule, schedule.timeZone ?? rota.timeZone, at);
      const who = rota.people.find(({ name }) => name === duty?.person);
      if (!duty || !who) return [];
      return [
        {
          name: who.name,
          schedule: schedule.name,
          until: duty.until,
          email: who.email ?? null,
          slackId: who.slack ?? null,
          level: schedule.level,
        },
      ];
    })
    .sort((a, b) => a.level - b.level);
}

interface Duty {
  readonly person: string;
  readonly until: EpochMs;
}

/** Null before the rotation starts, when no override says otherwise. */
function dutyOf(schedule: Schedule, zoneName: string, at: EpochMs): Duty | null {
  const overrides = schedule.overrides.map(({ from, to, person }) => ({
    person,
    from: instant(from, zoneName),
    to: instant(to, zoneName),
  }));
  const override = overrides.findLast(({ from, to }) => at >= from && at < to);
  if (override) return { person: override.person, until: override.to };

  const start = DateTime.fromISO(schedule.start.replace(" ", "T"), { zone: zoneName });
  const unit = schedule.length.endsWith("h") ? "hours" : schedule.length.endsWith("d") ? "days" : "weeks";
  const turn = Number.parseInt(schedule.length, 10);
  const passed = DateTime.fromMillis(at, { zone: zoneName }).diff(start, unit).as(unit);
  if (passed < 0) return null;
  const turns = Math.floor(passed / turn);
  const person = schedule.rotation[turns % schedule.rotation.length];
  if (person === undefined) return null;
  const ends = start.plus({ [unit]: (turns + 1) * turn }).toMillis();
  const next = Math.min(...overrides.filter(({ from }) => from > at).map(({ from }) => from), ends);
  return { person, until: next };
}

/** Of a time that a change of the clocks skips, the moment just after it; of one that comes twice, the first. */
const instant = (local: string, zoneName: string): EpochMs =>
  DateTime.fromISO(local.replace(" ", "T"), { zone: zoneName }).toMillis();

/** Reads the rota from its file each time it is asked, so that an edit counts at once. */
export class RotaFile implements OnCallSource {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  async onCall(service: string | null, at: EpochMs): Promise<readonly OnCallPerson[]> {
    const text = await readFile(this.#file, "utf8").catch((error: Error) => {
      throw new SourceError(`The rota ${this.#file} cannot be read: ${error.message}. Correct onCall.file, or create it.`);
    });
    return onCallOf(parseRota(text, this.#file), service, at);
  }
}
