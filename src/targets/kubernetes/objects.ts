import { z } from "zod";

/**
 * Kubernetes' objects as far as they are read. Everything else in them is kept as it came: a pod template that is put back must lose nothing,
 * also nothing that this version of Vigil has never heard of.
 */
const texts = z.record(z.string(), z.string()).nullish();

const meta = z.looseObject({
  name: z.string().default(""),
  namespace: z.string().nullish(),
  uid: z.string().nullish(),
  generation: z.number().nullish(),
  resourceVersion: z.string().nullish(),
  creationTimestamp: z.string().nullish(),
  annotations: texts,
  labels: texts,
  ownerReferences: z.array(z.looseObject({ uid: z.string() })).nullish(),
});

const template = z.looseObject({
  metadata: z.looseObject({ annotations: texts, labels: texts }).nullish(),
  spec: z
    .looseObject({
      containers: z.array(z.looseObject({ name: z.string(), image: z.string().nullish() })),
      volumes: z.array(z.looseObject({ persistentVolumeClaim: z.unknown().optional() })).nullish(),
    })
    .nullish(),
});

const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().nullish(),
  message: z.string().nullish(),
});

/** A Deployment, a StatefulSet or a ReplicaSet. */
export const workloadSchema = z.looseObject({
  metadata: meta,
  spec: z.looseObject({ replicas: z.number().nullish(), template }),
  status: z
    .looseObject({
      observedGeneration: z.number().nullish(),
      replicas: z.number().nullish(),
      updatedReplicas: z.number().nullish(),
      readyReplicas: z.number().nullish(),
      availableReplicas: z.number().nullish(),
      conditions: z.array(condition).nullish(),
    })
    .default({}),
});

export const autoscalerSchema = z.looseObject({
  spec: z.looseObject({
    scaleTargetRef: z.looseObject({ kind: z.string(), name: z.string() }),
    minReplicas: z.number().nullish(),
    maxReplicas: z.number(),
  }),
});

export const listOf = <T>(item: z.ZodType<T>) =>
  z.looseObject({ items: z.array(item), metadata: z.looseObject({ continue: z.string().nullish() }).default({}) });

/** The answer to "may I?": it changes nothing. */
export const reviewSchema = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

export const versionSchema = z.looseObject({ gitVersion: z.string() });

export type Meta = z.output<typeof meta>;
export type PodTemplate = z.output<typeof template>;
export type Workload = z.output<typeof workloadSchema>;
export type Autoscaler = z.output<typeof autoscalerSchema>;
