import { z } from "zod";
import { type Delivery, line, prose, type Reader, type ServicesOf, timestamp, webLink } from "../payload.ts";

/** Strategy, flag or nothing, depending on the type of event. */
const details = z
  .looseObject({
    name: z.string().optional(),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    constraints: z.array(z.unknown()).optional(),
    disabled: z.boolean().nullish(),
  })
  .nullish();

/** An event of Unleash, which its webhook integration posts as it is: https://docs.getunleash.io/concepts/events */
const body = z.object({
  id: z.number().optional(),
  type: z.string().min(1),
  createdBy: z.string().default("unknown"),
  createdAt: timestamp.optional(),
  project: z.string().nullish(),
  environment: z.string().nullish(),
  featureName: z.string().nullish(),
  label: z.string().nullish(),
  summary: z.string().nullish(),
  reason: z.string().nullish(),
  data: details,
  preData: details,
});

type Event = z.output<typeof body>;
type States = (event: Event) => readonly [before: string, after: string];

/** What each type of event changes in a flag. Types that are not here change nothing for users. */
const CHANGES: Readonly<Record<string, States>> = {
  "feature-created": () => ["absent", "created"],
  "feature-archived": () => ["in use", "archived"],
  "feature-revived": () => ["archived", "in use"],
  "feature-deleted": () => ["archived", "deleted"],
  "feature-environment-enabled": () => ["off", "on"],
  "feature-environment-disabled": () => ["on", "off"],
  "feature-strategy-add": ({ data }) => ["no such strategy", strategy(data)],
  "feature-strategy-update": ({ preData, data }) => [strategy(preData), strategy(data)],
  "feature-strategy-remove": ({ preData }) => [strategy(preData), "strategy removed"],
  "feature-environment-variants-updated": () => ["other variants", "new variants"],
  "feature-variants-updated": () => ["other variants", "new variants"],
};

/** @param servicesOf services that a flag touches, by its name */
export function unleashReader(servicesOf: ServicesOf): Reader {
  return (raw, _headers, now): Delivery => {
    const event = body.parse(raw);
    const id = event.id === undefined ? null : String(event.id);
    const states = CHANGES[event.type];
    if (!states || !event.featureName) return { id, ignored: `${line(event.type, 80)} changes no flag for users` };
    const at = event.createdAt ?? now;
    const [before, after] = states(event);
    const flag = line(event.featureName);
    const environment = line(event.environment ?? "", 100) || "all";
    const description = event.data?.description ?? event.preData?.description;
    return {
      id,
      changes: [
        {
          id: `unleash:${id ?? `${event.type}:${flag}:${environment}:${at}`}`,
          at,
          kind: "flag",
          subject: flag,
          services: servicesOf(event.featureName),
          environment,
          actor: line(event.createdBy),
          before,
          after,
          summary: line(event.reason ?? description ?? event.label ?? "", 300),
          reference:
            webLink(/\((https?:[^)]+)\)/.exec(event.summary ?? "")?.[1]) ?? `${line(event.project ?? "default", 80)}/${flag}`,
          source: "unleash",
          context: prose(description),
          about: `unleash:${flag}`,
        },
      ],
    };
  };
}

/** A strategy in a few words: `25% on`, `userWithId on, 2 constraints`. */
function strategy(details: Event["data"]): string {
  if (!details) return "unknown";
  if (details.disabled) return "strategy disabled";
  const rollout = details.parameters?.rollout ?? details.parameters?.percentage;
  const share =
    rollout === undefined || rollout === null ? `${line(details.name ?? "strategy", 60)} on` : `${line(String(rollout), 8)}% on`;
  const constraints = details.constraints?.length ?? 0;
  return constraints > 0 ? `${share}, ${constraints} constraint${constraints > 1 ? "s" : ""}` : share;
}
