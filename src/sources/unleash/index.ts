import { z } from "zod";
import type { IncomingChange } from "../../flows/changes.ts";
import { shaped } from "../../targets/answer-shape.ts";
import { type UnleashOptions, unleashApi } from "../../targets/unleash/index.ts";
import { type ChangeWatcher, pollingWatcher, type Watching } from "../change-watcher.ts";
import { unleashReader } from "../webhooks/changes/unleash.ts";
import type { ServicesOf } from "../webhooks/payload.ts";

const page = z.object({
  events: z.array(
    z.looseObject({ id: z.number(), project: z.string().nullish(), environment: z.string().nullish(), createdAt: z.unknown() }),
  ),
});

const PAGE = 100;
/** Looked back over after an outage. */
const MOST_PAGES = 50;

/** The newest event that was handed on. */
export type EventCursor = number;

/**
 * Reads the events of an Unleash project, for installations that cannot send webhooks. An event that came by both counts once, by its id.
 * The first look takes the newest hundred.
 */
export function watchUnleash(
  options: Watching<EventCursor, IncomingChange> &
    Pick<UnleashOptions, "url" | "token" | "project" | "environment" | "timeout"> & { readonly servicesOf: ServicesOf },
): ChangeWatcher {
  const api = unleashApi(options);
  const read = unleashReader(options.servicesOf);
  return pollingWatcher({
    ...options,
    look: async (seen) => {
      const found: z.output<typeof page>["events"] = [];
      for (let at = 0; at < (seen === null ? 1 : MOST_PAGES); at++) {
        const query = { limit: String(PAGE), offset: String(at * PAGE) };
        const answer = await api.get(["api", "admin", "search", "events"], { query });
        const { events } = shaped({ name: "Unleash", key: "flags.url" }, page, answer);
        const fresh = events.filter(({ id }) => seen === null || id > seen);
        found.push(...fresh);
        if (fresh.length < PAGE) break;
      }
      const newest = Math.max(seen ?? 0, ...found.map(({ id }) => id));
      if (newest === seen) return null;
      const ours = found.filter(
        ({ project, environment }) => project === options.project && (!environment || environment === options.environment),
      );
      return { changes: ours.reverse().flatMap((event) => read(event, {}, options.now()).changes ?? []), cursor: newest };
    },
  });
}
