import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Log } from "../../flows/log.ts";
import type { Refusal } from "../../flows/ports.ts";
import { type IncomingActivity, type InvokeAnswer, readActivity } from "./activity.ts";
import type { BotFramework } from "./botbuilder.ts";
import { type GateRules, type Refusals, refusalOf } from "./gate.ts";

export interface DoorOptions {
  readonly framework: BotFramework;
  readonly rules: GateRules;
  readonly refusals: Refusals;
  /** Takes an activity that was let in. */
  readonly receive: (activity: IncomingActivity) => Promise<InvokeAnswer | null>;
  readonly log: Log;
}

const LARGEST_BODY = "256kb";

/** The endpoint that Teams calls: the token first, then who and where it is from, and only then what it says. */
export function teamsDoor(options: DoorOptions): Express {
  const http = express().disable("x-powered-by");
  http.post("/api/messages", express.json({ limit: LARGEST_BODY }), (request, response) => enter(options, request, response));
  http.use((error: { status?: unknown }, _request: Request, response: Response, _next: NextFunction) => {
    const status = typeof error.status === "number" ? error.status : 500;
    if (status >= 500) options.log.error({ err: error }, "an activity from Teams failed");
    response.status(status).end();
  });
  return http;
}

async function enter(options: DoorOptions, request: Request, response: Response): Promise<void> {
  const { framework, rules, receive, log } = options;
  const body: unknown = request.body;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return void response.status(400).end();
  const verdict = await framework.authenticate(body, request.headers.authorization ?? "");
  if (verdict.kind === "unavailable") {
    log.error({ reason: verdict.reason }, "Teams' signing keys cannot be fetched; activities are put off");
    return void response.status(503).set("retry-after", "5").end();
  }
  if (verdict.kind === "bad") return refuse(options, response, 401, { kind: "auth_reject", reason: verdict.reason }, null);
  const activity = readActivity(body);
  if (!activity) return void response.status(400).end();
  const refusal = refusalOf(activity, rules);
  if (refusal) return refuse(options, response, 403, refusal, activity);
  const answer = await framework.run(verdict.authenticated, body, receive);
  response.status(answer?.status ?? 200);
  if (answer?.body) response.json(answer.body);
  else response.end();
}

async function refuse(
  { refusals, log }: DoorOptions,
  response: Response,
  status: 401 | 403,
  refusal: Pick<Refusal, "kind" | "reason">,
  activity: IncomingActivity | null,
): Promise<void> {
  log.warn({ reason: refusal.reason.slice(0, 300) }, "an activity that does not come from our Teams was refused");
  await refusals
    .record(refusal, activity)
    .catch((error) => log.error({ err: error }, "a refused activity could not be written to the audit trail"));
  response.status(status).end();
}
