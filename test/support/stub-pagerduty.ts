import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

type Json = Record<string, unknown>;

interface StubUser {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

/**
 * A stub of two PagerDuty APIs as their public descriptions have them: `GET /oncalls` of the REST API v2 and `POST /v2/enqueue` of the
 * Events API v2. It checks method, path, headers, query and body, and answers wrong ones as PagerDuty does.
 */
export async function stubPagerDuty(options: { readonly token: string; readonly routingKey: string }) {
  const oncalls: Json[] = [];
  const events: Json[] = [];
  const requests: string[] = [];
  /** Answers to give before the right ones. */
  const faults: { status: number; body: string }[] = [];

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://stub");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    requests.push(`${request.method} ${url.pathname}${url.search}`);
    const fault = faults.shift();
    if (fault) return answer(fault.status, fault.body);

    if (request.method === "GET" && url.pathname === "/oncalls") {
      if (request.headers.authorization !== `Token token=${options.token}`) {
        return answer(401, { error: { message: "Authentication Error", code: 2006 } });
      }
      if (request.headers.accept !== "application/vnd.pagerduty+json;version=2") return answer(406, "");
      const limit = Number(url.searchParams.get("limit") ?? 25);
      const offset = Number(url.searchParams.get("offset") ?? 0);
      const schedules = url.searchParams.getAll("schedule_ids[]");
      const matching = oncalls.filter(({ schedule }) => schedules.length === 0 || schedules.includes((schedule as StubUser).id));
      const shown = matching.slice(offset, offset + limit);
      return answer(200, { oncalls: shown, limit, offset, more: offset + limit < matching.length, total: null });
    }
    if (request.method === "POST" && url.pathname === "/v2/enqueue") {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Json;
      const errors = faultsOf(body, options.routingKey);
      if (errors.length > 0) return answer(400, { status: "invalid event", message: "Event object is invalid", errors });
      events.push(body);
      return answer(202, { status: "success", message: "Event processed", dedup_key: body.dedup_key });
    }
    return answer(404, { error: { message: "Not Found", code: 2100 } });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    events,
    requests,
    faults,
    /** Puts somebody on call. */
    put: (user: StubUser, schedule: string, level = 1, end: string | null = "2026-03-09T08:00:00Z") =>
      oncalls.push({
        escalation_policy: { id: "PT20YPA", type: "escalation_policy_reference", summary: "Shop policy" },
        escalation_level: level,
        schedule: { id: schedule, type: "schedule_reference", summary: `Schedule ${schedule}` },
        user: { ...user, type: "user", summary: user.name },
        start: "2026-03-02T08:00:00Z",
        end,
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function faultsOf(body: Json, routingKey: string): string[] {
  const payload = (body.payload ?? {}) as Json;
  const triggers = body.event_action === "trigger";
  return [
    ...(body.routing_key === routingKey ? [] : ["'routing_key' is invalid"]),
    ...(["trigger", "acknowledge", "resolve"].includes(String(body.event_action)) ? [] : ["'event_action' is invalid"]),
    ...(typeof body.dedup_key === "string" && body.dedup_key.length <= 255 ? [] : ["'dedup_key' is missing or too long"]),
    ...(triggers && (typeof payload.summary !== "string" || payload.summary.length > 1_024)
      ? ["'payload.summary' is missing or blank"]
      : []),
    ...(triggers && typeof payload.source !== "string" ? ["'payload.source' is missing or blank"] : []),
    ...(triggers && !["critical", "error", "warning", "info"].includes(String(payload.severity))
      ? ["'payload.severity' is invalid"]
      : []),
  ];
}
