import {
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
  type WebClientOptions,
} from "@slack/web-api";
import { Lines } from "../lines.ts";
import { DeliveryError } from "../surface.ts";

/** A client that answers within ten seconds or fails, follows no absolute addresses, and leaves waiting to its caller. */
export function slackClient(token: string, options: WebClientOptions): WebClient {
  return new WebClient(token, { ...CLIENT_OPTIONS, ...options });
}

export const CLIENT_OPTIONS: WebClientOptions = {
  timeout: 10_000,
  retryConfig: { retries: 0 },
  rejectRateLimitedCalls: true,
  allowAbsoluteUrls: false,
  maxRequestConcurrency: 20,
};

const REMEDIES: Readonly<Record<string, string>> = {
  channel_not_found: "Check slack.channel, and invite the app to that channel.",
  not_in_channel: "Invite the app to the channel: /invite @Vigil.",
  is_archived: "The channel is archived; unarchive it or set slack.channel to another.",
  invalid_auth: "Check SLACK_BOT_TOKEN.",
  not_authed: "Set SLACK_BOT_TOKEN.",
  token_revoked: "The token was revoked; install the app again and set SLACK_BOT_TOKEN.",
  account_inactive: "The app was removed from the workspace; install it again.",
  missing_scope: "Create or update the app from manifest.yml, and install it again.",
};

const GONE = new Set(["message_not_found", "cant_update_message", "edit_window_closed"]);
const PASSING = new Set([
  "internal_error",
  "fatal_error",
  "service_unavailable",
  "request_timeout",
  "ratelimited",
  "team_added_to_org",
]);

/** What became of a call, in the words of the outbox. */
export function deliveryError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  if (error instanceof WebAPIRateLimitedError)
    return new DeliveryError(`Slack asks to wait ${error.retryAfter} s.`, "later", {
      retryAfter: error.retryAfter * 1_000,
      cause: error,
    });
  if (error instanceof WebAPIPlatformError) {
    const code = error.data.error;
    const kind = GONE.has(code) ? "gone" : PASSING.has(code) ? "later" : "never";
    return new DeliveryError(`Slack refused: ${code}. ${REMEDIES[code] ?? ""}`.trim(), kind, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new DeliveryError(`Slack could not be reached: ${message}`, "later", { cause: error });
}

/** True when the platform may have done the work although no answer came. */
export const maybeDone = (error: unknown): boolean =>
  error instanceof WebAPIRequestError || (error instanceof WebAPIHTTPError && error.statusCode >= 500);

/** One call at a time for each channel, with a pause between them: Slack takes about one message a second. */
export class Pacer {
  readonly #gap: number;
  readonly #lines = new Lines();

  constructor(gap: number) {
    this.#gap = gap;
  }

  run<T>(channel: string, call: () => Promise<T>): Promise<T> {
    return this.#lines.run(channel, call, () => this.#rest());
  }

  #rest(): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, this.#gap);
      timer.unref();
    });
  }
}

/** Tries a call again as long as Slack says that it will take it later. For what no outbox looks after: answers and details. */
export async function patiently<T>(call: () => Promise<T>, tries = 4): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const known = deliveryError(error);
      if (known.kind !== "later" || attempt >= tries || maybeDone(error)) throw known;
      const pause = known.retryAfter ?? 500 * 2 ** attempt;
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}
