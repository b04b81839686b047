import {
  type Activity,
  ActivityTypes,
  CloudAdapter,
  ConfigurationBotFrameworkAuthentication,
  ConfigurationServiceClientCredentialFactory,
  type InvokeResponse,
  type TurnContext,
} from "botbuilder";
import type { IncomingActivity, InvokeAnswer } from "./activity.ts";
import { readActivity } from "./activity.ts";

/** The only file that knows Microsoft's SDK: whether a request comes from Teams, and the token with which Vigil answers. */
export interface BotFramework {
  /** Whether the token of a request is Teams' own, for this app and this activity. */
  authenticate(body: object, authorization: string): Promise<Verdict>;
  /** Runs a turn that was authenticated. */
  run(authenticated: Authenticated, body: object, handle: Handle): Promise<InvokeAnswer | null>;
  /** The bearer token for Teams, or null where there is no app id. */
  token(): Promise<string | null>;
}

export type Handle = (activity: IncomingActivity) => Promise<InvokeAnswer | null>;

type Authenticated = Awaited<ReturnType<ConfigurationBotFrameworkAuthentication["authenticateRequest"]>>;

/** `unavailable` when the signing keys could not be fetched: Teams sends the activity again. */
export type Verdict =
  | { readonly kind: "good"; readonly authenticated: Authenticated }
  | { readonly kind: "bad"; readonly reason: string }
  | { readonly kind: "unavailable"; readonly reason: string };

export interface BotFrameworkOptions {
  /** Null only in tests: then nobody is authenticated. */
  readonly appId: string | null;
  readonly appSecret?: string | undefined;
  readonly appType: "SingleTenant" | "UserAssignedMSI";
  readonly tenantId?: string | undefined;
  /** Where the signing keys are, for tests and national clouds. */
  readonly openIdMetadataUrl?: string | undefined;
  readonly tokenForTests?: (() => Promise<string>) | undefined;
}

const ISSUER = "https://api.botframework.com";
const SCOPE = "https://api.botframework.com";
const LOGIN = "https://login.microsoftonline.com/botframework.com";
const OPEN_ID = "https://login.botframework.com/v1/.well-known/openidconfiguration";
const TIMEOUT = 10_000;

/** Turns are run by the SDK, but its context does not leave this file. */
class Adapter extends CloudAdapter {
  async turn(authenticated: Authenticated, activity: Activity, handle: Handle): Promise<InvokeResponse | undefined> {
    return this.processActivity(authenticated, activity, turnOf(handle));
  }
}

/** A handler as a turn of the SDK: what it answers to an invoke becomes the turn's response. */
export const turnOf =
  (handle: Handle) =>
  async (context: TurnContext): Promise<void> => {
    const activity = readActivity(context.activity);
    if (!activity) return;
    const answer = await handle(activity);
    if (answer) await context.sendActivity({ type: ActivityTypes.InvokeResponse, value: answer });
  };

export function botFramework(options: BotFrameworkOptions): BotFramework {
  const { appId, appSecret, appType, tenantId, openIdMetadataUrl, tokenForTests } = options;
  const credentials = new ConfigurationServiceClientCredentialFactory(
    appId === null
      ? {}
      : {
          MicrosoftAppId: appId,
          MicrosoftAppType: appType,
          ...(appSecret ? { MicrosoftAppPassword: appSecret } : {}),
          ...(tenantId ? { MicrosoftAppTenantId: tenantId } : {}),
        },
  );
  const authentication = new ConfigurationBotFrameworkAuthentication(
    {
      ValidateAuthority: true,
      ToChannelFromBotLoginUrl: LOGIN,
      ToChannelFromBotOAuthScope: SCOPE,
      ToBotFromChannelTokenIssuer: ISSUER,
      OAuthUrl: "https://token.botframework.com",
      ToBotFromChannelOpenIdMetadataUrl: openIdMetadataUrl ?? OPEN_ID,
      ToBotFromEmulatorOpenIdMetadataUrl: openIdMetadataUrl ?? OPEN_ID,
    },
    credentials,
  );
  const adapter = new Adapter(authentication);

  return {
    authenticate: async (body, authorization) => {
      try {
        const authenticated = await within(authentication.authenticateRequest(body as Activity, authorization));
        if (appId === null) return { kind: "good", authenticated };
        // The SDK also takes tokens of its emulator and of skills, and an activity that names no serviceUrl. Teams sends neither.
        const claim = (type: string) => authenticated.claimsIdentity.getClaimValue(type);
        if (claim("iss") !== ISSUER) return { kind: "bad", reason: "the token is not from the Bot Framework" };
        if (claim("aud") !== appId) return { kind: "bad", reason: "the token is for another app" };
        if (claim("serviceurl") !== (body as Activity).serviceUrl)
          return { kind: "bad", reason: "the token is for another serviceUrl" };
        return { kind: "good", authenticated };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const unavailable = error instanceof TimeoutError || /Failed to load|request to .* failed/i.test(reason);
        return { kind: unavailable ? "unavailable" : "bad", reason };
      }
    },
    run: async (authenticated, body, handle) => {
      const response = await adapter.turn(authenticated, body as Activity, handle);
      return response ? { status: response.status, ...(response.body ? { body: response.body } : {}) } : null;
    },
    token: async () => {
      if (tokenForTests) return tokenForTests();
      if (appId === null) return null;
      const signer = (await credentials.createCredentials(appId, SCOPE, LOGIN, true)) as unknown as {
        getToken(): Promise<string>;
      };
      return within(signer.getToken());
    },
  };
}

class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_done, failed) => {
    timer = setTimeout(() => failed(new TimeoutError(`no answer within ${TIMEOUT / 1_000} s`)), TIMEOUT);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
