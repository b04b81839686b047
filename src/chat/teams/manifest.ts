import { z } from "zod";

const https = z.url({ protocol: /^https$/ }).max(2_048);
const scope = z.enum(["personal", "team", "groupChat"]);

/** The Teams app manifest as Vigil writes it: every field with the limits of Microsoft's schema 1.23, and no other field. */
export const manifestSchema = z.strictObject({
  $schema: z.literal("https://developer.microsoft.com/json-schemas/teams/v1.23/MicrosoftTeams.schema.json"),
  manifestVersion: z.literal("1.23"),
  version: z
    .string()
    .max(256)
    .regex(/^\d+\.\d+\.\d+$/, "must be a semantic version, for instance 1.0.0"),
  id: z.uuid(),
  developer: z.strictObject({
    name: z.string().min(1).max(32),
    websiteUrl: https,
    privacyUrl: https,
    termsOfUseUrl: https,
  }),
  name: z.strictObject({ short: z.string().min(1).max(30), full: z.string().min(1).max(100) }),
  description: z.strictObject({ short: z.string().min(1).max(80), full: z.string().min(1).max(4_000) }),
  icons: z.strictObject({ color: z.literal("color.png"), outline: z.literal("outline.png") }),
  accentColor: z.string().regex(/^#[0-9a-f]{6}$/i),
  bots: z
    .array(
      z.strictObject({
        botId: z.uuid(),
        scopes: z.array(scope).min(1).max(3),
        isNotificationOnly: z.literal(false),
        supportsFiles: z.literal(false),
        supportsCalling: z.literal(false),
        supportsVideo: z.literal(false),
        commandLists: z
          .array(
            z.strictObject({
              scopes: z.array(scope).min(1).max(3),
              commands: z
                .array(z.strictObject({ title: z.string().min(1).max(32), description: z.string().min(1).max(128) }))
                .min(1)
                .max(10),
            }),
          )
          .max(3),
      }),
    )
    .length(1),
  defaultInstallScope: z.literal("team"),
  defaultGroupCapability: z.strictObject({ team: z.literal("bot"), groupchat: z.literal("bot") }),
  permissions: z.array(z.enum(["identity", "messageTeamMembers"])).length(2),
  validDomains: z.array(z.string()).length(0),
});

export type TeamsManifest = z.output<typeof manifestSchema>;

export interface PackageFacts {
  readonly appId: string;
  readonly version: string;
  /** Who runs this Vigil, and where people read about it. */
  readonly organisation: string;
  readonly website: string;
}

const SCOPES: TeamsManifest["bots"][number]["scopes"] = ["team", "groupChat", "personal"];

/** @throws z.ZodError when a fact does not fit; the path names the field. */
export function teamsManifest({ appId, version, organisation, website }: PackageFacts): TeamsManifest {
  return manifestSchema.parse({
    $schema: "https://developer.microsoft.com/json-schemas/teams/v1.23/MicrosoftTeams.schema.json",
    manifestVersion: "1.23",
    version,
    id: appId,
    developer: { name: organisation, websiteUrl: website, privacyUrl: website, termsOfUseUrl: website },
    name: { short: "Vigil", full: "Vigil, the SRE agent in the incident channel" },
    description: {
      short: "Notices, explains, proposes; acts only when you approve; verifies.",
      full: [
        "Vigil watches your services' telemetry, posts an investigation with evidence before a threshold is breached, and answers questions in the thread.",
        "It proposes reversible actions that approvers decide by a button, verifies the effect, undoes what did not help, and learns from your verdicts.",
      ].join(" "),
    },
    icons: { color: "color.png", outline: "outline.png" },
    accentColor: "#1d3557",
    bots: [
      {
        botId: appId,
        scopes: SCOPES,
        isNotificationOnly: false,
        supportsFiles: false,
        supportsCalling: false,
        supportsVideo: false,
        commandLists: [
          {
            scopes: SCOPES,
            commands: [
              { title: "status", description: "What I watch, what runs, what awaits approval" },
              { title: "investigate", description: "investigate SERVICE: look into a service now" },
              { title: "stop", description: "No action runs until people resume; pending proposals are cancelled" },
              { title: "resume", description: "Lift the stop" },
              { title: "report", description: "What I found, cost and saved" },
              { title: "help", description: "What you can ask" },
            ],
          },
        ],
      },
    ],
    defaultInstallScope: "team",
    defaultGroupCapability: { team: "bot", groupchat: "bot" },
    permissions: ["identity", "messageTeamMembers"],
    // The cards load nothing from anywhere.
    validDomains: [],
  });
}
