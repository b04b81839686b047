import type { WriteContext } from "../../actions/ports.ts";
import { canonical, fingerprintOf } from "../flag-writer.ts";
import type { JsonPatch } from "./cluster.ts";
import type { Meta, PodTemplate, Workload } from "./objects.ts";

/** OpenTelemetry's annotation for the name that a workload's telemetry bears. */
const SERVICE_NAME = "resource.opentelemetry.io/service.name";
/** As `kubectl rollout restart` sets it. */
export const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";
const REVISION = "deployment.kubernetes.io/revision";
const POD_HASH = "pod-template-hash";
/** As `kubectl rollout history` shows it. */
export const CHANGE_CAUSE = "kubernetes.io/change-cause";
const LAST_WRITE = "vigil.dev/last-write";

/** The service that a workload runs: by OpenTelemetry's annotation, else its own name. */
export function serviceOf({ metadata, spec }: Workload): string {
  return metadata.annotations?.[SERVICE_NAME] ?? spec.template.metadata?.annotations?.[SERVICE_NAME] ?? metadata.name;
}

/** What runs: a pod template without what Kubernetes adds to it, and without the mark of a restart, which changes nothing that runs. */
export function behaviourOf(template: PodTemplate): string {
  const { [RESTARTED_AT]: _restart, ...annotations } = template.metadata?.annotations ?? {};
  const { [POD_HASH]: _hash, ...labels } = template.metadata?.labels ?? {};
  return canonical({ annotations, labels, spec: template.spec });
}

/** A template that may be put into a Deployment, from one of its ReplicaSets. */
export function templateFrom(template: PodTemplate): PodTemplate {
  const { [POD_HASH]: _hash, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** Tag of the main container's image, or the first digits of its digest. The main container is named as the service, else the first. */
export function versionOf(template: PodTemplate, service: string): string {
  const image = mainContainer(template, service)?.image ?? "";
  const { tag, digest } = partsOf(image);
  return tag ?? digest?.replace("sha256:", "").slice(0, 12) ?? (image ? "latest" : "unknown");
}

/** Index of the main container, and its image with another tag. Null when the image is pinned by a digest and no tag can be set. */
export function withVersion(
  template: PodTemplate,
  service: string,
  version: string,
): { readonly index: number; readonly image: string } | null {
  const main = mainContainer(template, service);
  const index = main ? (template.spec?.containers.indexOf(main) ?? -1) : -1;
  const { name, digest } = partsOf(main?.image ?? "");
  return index < 0 || digest ? null : { index, image: `${name}:${version}` };
}

function mainContainer(template: PodTemplate, service: string) {
  const containers = template.spec?.containers ?? [];
  return containers.find(({ name }) => name === service) ?? containers[0];
}

/** `registry:5000/team/shop:1.4.1@sha256:…` in its parts. */
function partsOf(image: string): { name: string; tag: string | null; digest: string | null } {
  const [tagged = "", digest = null] = image.split("@");
  const [, name = tagged, tag = null] = /^(.*):([^/:]+)$/.exec(tagged) ?? [];
  return { name, tag, digest };
}

/** What is wanted of a workload, not what is ready. */
export const workloadFingerprint = ({ spec }: Workload): string =>
  fingerprintOf(canonical([spec.replicas ?? 1, behaviourOf(spec.template), spec.template.metadata?.annotations?.[RESTARTED_AT]]));

/** Whether the last write to this workload was the one with this key. */
export const isDone = ({ metadata }: Workload, { idempotencyKey }: WriteContext): boolean =>
  metadata.annotations?.[LAST_WRITE] === idempotencyKey;

/**
 * A patch that holds only while what people want of the workload (its `generation`) is as it was read, and that leaves who, why and the key
 * of the write in its annotations.
 */
export function guarded({ metadata }: Workload, write: WriteContext, changes: JsonPatch): JsonPatch {
  const annotations = {
    ...metadata.annotations,
    [CHANGE_CAUSE]: `${write.actor}: ${write.reason}`.replace(/\s+/g, " ").slice(0, 300),
    [LAST_WRITE]: write.idempotencyKey,
  };
  return [
    { op: "test", path: "/metadata/uid", value: metadata.uid },
    { op: "test", path: "/metadata/generation", value: metadata.generation },
    ...changes,
    { op: "add", path: "/metadata/annotations", value: annotations },
  ];
}

/** Whether all copies that are wanted run what is wanted. */
export function settled({ metadata, spec, status }: Workload): boolean {
  const wanted = spec.replicas ?? 1;
  return (
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted
  );
}

/** Why a rollout does not get on, as the Deployment's controller says it; null while there is hope. */
export function stuck({ metadata, status }: Workload): string | null {
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return null;
  const condition = status.conditions?.find(({ type, status: holds }) => type === "Progressing" && holds === "False");
  return condition ? `${condition.reason ?? "not progressing"}: ${condition.message ?? ""}`.slice(0, 200) : null;
}

/** When a revision came to be: the time of its ReplicaSet. */
export const createdAt = (metadata: Meta): number => Date.parse(metadata.creationTimestamp ?? "");

/** Owned by the workload with this uid. */
export const ownedBy = (metadata: Meta, uid: string | null | undefined): boolean =>
  typeof uid === "string" && (metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false);

export const revisionOf = (metadata: Meta): number => Number(metadata.annotations?.[REVISION] ?? 0);
