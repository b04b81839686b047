import { z } from "zod";
import { type Delivery, line, prose, type Reader, type ServicesOf, timestamp, webLink } from "../payload.ts";

/** The Application of Argo CD's API (`argoproj.io/v1alpha1`), as far as a change is told by it. */
const application = z.object({
  metadata: z.object({ name: z.string().min(1), namespace: z.string().optional() }),
  spec: z.object({
    project: z.string().optional(),
    source: z.object({ repoURL: z.string().optional() }).optional(),
    destination: z.object({ namespace: z.string().optional(), name: z.string().optional() }).default({}),
  }),
  status: z.object({
    history: z.array(z.object({ id: z.number(), revision: z.string().optional(), deployedAt: timestamp.optional() })).default([]),
    summary: z.object({ images: z.array(z.string()).default([]), externalURLs: z.array(z.string()).default([]) }).optional(),
    operationState: z.object({
      phase: z.string(),
      message: z.string().optional(),
      startedAt: timestamp,
      finishedAt: timestamp.optional(),
      syncResult: z.object({ revision: z.string().optional() }).optional(),
      operation: z
        .object({ initiatedBy: z.object({ username: z.string().optional(), automated: z.boolean().optional() }).optional() })
        .optional(),
    }),
  }),
});

const body = z.object({ app: application, url: z.string().optional() });

/**
 * A sync of Argo CD that succeeded. Its notification template sends the application as it is: `{"app": {{toJson .app}}}`,
 * https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/
 */
export function argocdReader(servicesOf: ServicesOf): Reader {
  return (raw): Delivery => {
    const { app, url } = body.parse(raw);
    const { operationState: operation, history, summary } = app.status;
    const { name } = app.metadata;
    const at = operation.finishedAt ?? operation.startedAt;
    const id = `argocd:${app.metadata.namespace ?? ""}/${name}:${at}`;
    if (operation.phase !== "Succeeded") return { id: null, ignored: `a sync that is ${line(operation.phase, 40)} is no change` };
    const revision = operation.syncResult?.revision ?? history.at(-1)?.revision ?? "";
    // A sync that deploys adds itself to the history, so that the revision before it stands one earlier.
    const earlier = history.findLast((entry) => entry.revision !== undefined && entry.revision !== revision);
    const by = operation.operation?.initiatedBy;
    const services = servicesOf(name);
    const images = (summary?.images ?? []).slice(0, 20).map((image) => line(image, 200));
    return {
      id,
      changes: [
        {
          id,
          at,
          kind: "deploy",
          subject: services[0] ?? line(name),
          services,
          environment: line(app.spec.destination.namespace ?? app.spec.destination.name ?? "production", 100),
          actor: line(by?.username) || (by?.automated ? "argocd (automated sync)" : "argocd"),
          before: short(earlier?.revision ?? ""),
          after: short(revision),
          summary: line(operation.message, 300),
          reference: webLink(url) ?? webLink(summary?.externalURLs[0]) ?? webLink(app.spec.source?.repoURL) ?? revision,
          source: "argocd",
          context: prose(
            [operation.message ?? "", images.length > 0 ? `Images: ${images.join(", ")}` : ""].filter(Boolean).join("\n"),
          ),
        },
      ],
    };
  };
}

/** A commit by its first digits; a chart's version as it is. */
const short = (revision: string): string => (/^[0-9a-f]{40}$/.test(revision) ? revision.slice(0, 7) : line(revision, 60));
