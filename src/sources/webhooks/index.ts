import express, { type NextFunction, type Request, type Response, Router } from "express";
import { ZodError } from "zod";
import { type EpochMs, MINUTE } from "../../domain/time.ts";
import type { AlertIntake } from "../../flows/alert.ts";
import type { ChangeIntake } from "../../flows/changes.ts";
import type { Log } from "../../flows/log.ts";
import { alertmanagerReader, genericAlertReader, pagerDutyReader } from "./alerts.ts";
import { refusalOf, type Scheme } from "./authenticity.ts";
import { argocdReader } from "./changes/argocd.ts";
import { genericChangeReader } from "./changes/generic.ts";
import { githubReader } from "./changes/github.ts";
import { gitlabReader } from "./changes/gitlab.ts";
import { unleashReader } from "./changes/unleash.ts";
import { BadPayload, type Reader, type ServicesOf } from "./payload.ts";

export { SERVICE_LABELS } from "./alerts.ts";
export type { Scheme } from "./authenticity.ts";

/** Senders, by the name that their configuration has. */
export type Sender =
  | "alertmanager"
  | "grafana"
  | "pagerduty"
  | "generic"
  | "changes"
  | "github"
  | "gitlab"
  | "argocd"
  | "unleash";

/** Which deliveries were taken already; durable. */
export interface DeliveryStore {
  seen(sender: string, id: string): Promise<boolean>;
  mark(sender: string, id: string, at: EpochMs): Promise<void>;
}

export interface WebhookOptions {
  /** How each sender shows who it is; one that has no scheme is refused. */
  readonly schemes: Readonly<Partial<Record<Sender, readonly Scheme[]>>>;
  readonly maxBytes: number;
  /** Labels of an alert that may name its service, most telling first. */
  readonly serviceLabels: readonly string[];
  readonly servicesOf: ServicesOf;
  readonly alerts: AlertIntake;
  readonly changes: ChangeIntake;
  readonly deliveries: DeliveryStore;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
}

interface Route {
  readonly sender: Sender;
  readonly path: string;
  readonly read: Reader;
}

/** What is answered instead of what was asked for. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Takes alerts at `/v1/alerts/…` and changes at `/v1/changes…`. Whoever cannot show that a request is theirs gets 401 and nothing is
 * read; 400 names the key that is wrong; a delivery that came before is answered 200 and not taken again. 200 is said only after what
 * was sent is on disk, so that a sender that hears nothing, or 503, may send again.
 */
export function webhookRouter(options: WebhookOptions): Router {
  const { serviceLabels, servicesOf } = options;
  const routes: readonly Route[] = [
    { sender: "alertmanager", path: "/v1/alerts/alertmanager", read: alertmanagerReader("alertmanager", serviceLabels) },
    { sender: "grafana", path: "/v1/alerts/grafana", read: alertmanagerReader("grafana", serviceLabels) },
    { sender: "pagerduty", path: "/v1/alerts/pagerduty", read: pagerDutyReader },
    { sender: "generic", path: "/v1/alerts/generic", read: genericAlertReader(serviceLabels) },
    { sender: "changes", path: "/v1/changes", read: genericChangeReader },
    { sender: "github", path: "/v1/changes/github", read: githubReader(servicesOf) },
    { sender: "gitlab", path: "/v1/changes/gitlab", read: gitlabReader(servicesOf) },
    { sender: "argocd", path: "/v1/changes/argocd", read: argocdReader(servicesOf) },
    { sender: "unleash", path: "/v1/changes/unleash", read: unleashReader(servicesOf) },
  ];
  const router = Router();
  const raw = express.raw({ type: () => true, limit: options.maxBytes, inflate: false });
  const refusals = new RefusalLog(options);
  for (const route of routes) {
    router
      .route(route.path)
      .post(raw, async (request, response) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const reason = refusalOf(options.schemes[route.sender] ?? [], request.headers, body, options.now());
        if (reason !== null) {
          refusals.note(route.sender, reason);
          // An unknown caller learns only whether anybody may call here.
          const missing = (options.schemes[route.sender] ?? []).length === 0;
          throw new Refusal(
            401,
            missing ? `webhooks.${route.sender} has no token or secret, so nobody may call it` : "not authentic",
          );
        }
        response.json(await take(route, options, request, body));
      })
      .all((request, response) => {
        response.setHeader("allow", "POST");
        response.status(405).json({ error: `${request.method} is not understood here; send POST` });
      });
  }
  router.use((error: Error & { status?: number; type?: string }, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error);
    const { status, message } = answerTo(error, options.maxBytes);
    if (status >= 500) {
      options.log.error({ err: error, path: request.path }, "a webhook could not be taken; its sender should try again");
      response.setHeader("retry-after", "5");
    }
    response.status(status).json({ error: message });
  });
  return router;
}

interface Answer {
  readonly taken: number;
  readonly ignored?: string;
}

async function take(route: Route, options: WebhookOptions, request: Request, body: Buffer): Promise<Answer> {
  const { alerts, changes, deliveries, now } = options;
  const delivery = route.read(parse(body), request.headers, now());
  if (delivery.id !== null && (await deliveries.seen(route.sender, delivery.id)))
    return { taken: 0, ignored: "was taken before" };
  let taken = 0;
  if (delivery.alerts) taken += await alerts.take(delivery.alerts);
  if (delivery.changes) {
    await changes.take(delivery.changes);
    taken += delivery.changes.length;
  }
  // Marked after it was taken: a crash in between repeats it, and what it brought is known by its own id.
  if (delivery.id !== null) await deliveries.mark(route.sender, delivery.id, now());
  return delivery.ignored === undefined ? { taken } : { taken, ignored: delivery.ignored };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new Refusal(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function answerTo(error: Error & { status?: number; type?: string }, maxBytes: number): { status: number; message: string } {
  if (error instanceof Refusal) return { status: error.status, message: error.message };
  if (error instanceof BadPayload) return { status: 400, message: error.message };
  if (error instanceof ZodError) {
    const faults = error.issues.slice(0, 5).map(({ path, message }) => `${path.join(".") || "the body"}: ${message}`);
    return { status: 400, message: faults.join("; ") };
  }
  if (error.type === "entity.too.large") return { status: 413, message: `the body is larger than ${maxBytes} bytes` };
  if (error.status && error.status < 500) return { status: error.status, message: `the body cannot be read: ${error.message}` };
  return { status: 503, message: "it could not be stored; try again" };
}

/** Writes at most one line a minute for each sender: refusals must not fill the disk. */
class RefusalLog {
  readonly #options: Pick<WebhookOptions, "now" | "log">;
  readonly #last = new Map<Sender, { at: EpochMs; count: number }>();

  constructor(options: Pick<WebhookOptions, "now" | "log">) {
    this.#options = options;
  }

  note(sender: Sender, reason: string): void {
    const now = this.#options.now();
    const last = this.#last.get(sender) ?? { at: Number.NEGATIVE_INFINITY, count: 0 };
    if (now - last.at < MINUTE) {
      last.count++;
      return;
    }
    this.#last.set(sender, { at: now, count: 0 });
    this.#options.log.warn({ sender, refused: last.count + 1 }, `a webhook was refused: ${reason}`);
  }
}
