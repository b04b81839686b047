import { z } from "zod";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import { utc } from "../time-words.ts";
import { defineTool, knownService } from "./kit.ts";

export const whoIsOnCall = defineTool({
  name: "who_is_on_call",
  description:
    "Who owns a service and who is on call for it now, first to be called first. Without a service: everybody who is on call.",
  schema: z.object({ service: z.string().max(200).optional().describe("exact service name") }),
  title: ({ service }) => `Who is on call${service ? ` for ${service}` : ""}?`,
  async run({ service: name }, session) {
    const service = name ? await knownService(name, session) : null;
    const { onCall, catalog } = session.deps;
    // A rota is about wall time, also where telemetry has a clock of its own.
    const [people, entries] = await Promise.all([onCall?.onCall(service, Date.now()) ?? [], catalog()]);
    const owner = entries.find((entry) => entry.name === service)?.owner ?? null;
    const clean = (text: string) => cleanUntrusted(text, 120).text;
    const lines = people.slice(0, 8).map(({ name: who, schedule, until, level }) => {
      const end = until === null ? "" : ` until ${utc(until)}`;
      return `- ${clean(who)}, level ${level}, ${clean(schedule)}${end}`;
    });
    const head =
      people[0] !== undefined
        ? `${clean(people[0].name)} is on call${service ? ` for ${service}` : ""}.`
        : onCall
          ? `Nobody is on call${service ? ` for ${service}` : ""} now, as the rota says.`
          : `No rota is connected.${service ? "" : " Name a service, and I tell which team owns it."}`;
    const owned = owner ? `${owner} owns ${service}.` : service ? `The catalogue does not say who owns ${service}.` : "";
    return {
      evidence: {
        title: `On call${service ? ` for ${service}` : ""}`,
        summary: [[head, owned].filter(Boolean).join(" "), ...lines].join("\n"),
        facts: {
          service,
          owner,
          ...Object.fromEntries(people.slice(0, 8).map((one, index) => [`on_call.${index + 1}`, clean(one.name)])),
        },
        services: service ? [service] : [],
        link: null,
        suspicious: false,
      },
      details: { kind: "on_call", service, people },
    };
  },
});
