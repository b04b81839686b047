import { z } from "zod";

const source = z.looseObject({ repoURL: z.string().nullish(), targetRevision: z.string().nullish() });

const deployment = z.looseObject({
  id: z.number(),
  revision: z.string().nullish(),
  revisions: z.array(z.string()).nullish(),
  deployedAt: z.string().nullish(),
  initiatedBy: z.looseObject({ username: z.string().nullish(), automated: z.boolean().nullish() }).nullish(),
});

/** An Application of Argo CD's API, as far as it is used. */
export const applicationSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.string().nullish(),
    uid: z.string().nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
  spec: z.looseObject({
    project: z.string().default("default"),
    source: source.nullish(),
    destination: z.looseObject({ namespace: z.string().nullish() }).nullish(),
    syncPolicy: z.looseObject({ automated: z.looseObject({ enabled: z.boolean().nullish() }).nullish() }).nullish(),
  }),
  status: z
    .looseObject({
      history: z.array(deployment).nullish(),
      health: z.looseObject({ status: z.string().nullish(), message: z.string().nullish() }).nullish(),
      operationState: z
        .looseObject({ phase: z.string(), message: z.string().nullish(), startedAt: z.string().nullish() })
        .nullish(),
      summary: z.looseObject({ images: z.array(z.string()).nullish(), externalURLs: z.array(z.string()).nullish() }).nullish(),
    })
    .default({}),
});

export const applicationListSchema = z.looseObject({ items: z.array(applicationSchema).nullish() });

export type Application = z.output<typeof applicationSchema>;
export type Deployment = z.output<typeof deployment>;

const SERVICE_NAME = "resource.opentelemetry.io/service.name";

/** The service that an application deploys: by OpenTelemetry's annotation, else the application's name. */
export const serviceOf = ({ metadata }: Application): string => metadata.annotations?.[SERVICE_NAME] ?? metadata.name;

/** Oldest first, as Argo CD keeps it. */
export const historyOf = ({ status }: Application): readonly Deployment[] => status.history ?? [];

/** A commit by its first digits; a chart's version as it is. Several sources are joined. */
export function revisionOf({ revision, revisions }: Deployment): string {
  const all = revisions && revisions.length > 0 ? revisions : [revision ?? ""];
  return all.map((one) => (/^[0-9a-f]{40}$/.test(one) ? one.slice(0, 7) : one.slice(0, 60))).join("+");
}

/** Argo CD refuses to roll back what it keeps in line with git by itself. */
export const isAutomated = ({ spec }: Application): boolean =>
  !!spec.syncPolicy?.automated && spec.syncPolicy.automated.enabled !== false;
