import type { WorkloadState, WorkloadTarget, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import { ApiError } from "../json-api.ts";
import { type Cluster, type JsonPatch, rights, type WorkloadKind } from "./cluster.ts";
import type { Autoscaler, Workload } from "./objects.ts";
import { guarded, isDone, RESTARTED_AT, serviceOf, settled, workloadFingerprint } from "./workload.ts";

interface Found {
  readonly kind: WorkloadKind;
  readonly workload: Workload;
}

/** Restarts and scales the Deployments and StatefulSets of one namespace, within the bounds of their autoscalers. */
export class KubernetesWorkloads implements WorkloadTarget, Probe {
  readonly concern = "workloads";
  readonly environment: string;
  readonly #cluster: () => Promise<Cluster>;

  constructor(cluster: () => Promise<Cluster>, { environment }: { readonly environment: string }) {
    this.#cluster = cluster;
    this.environment = environment;
  }

  async check(): Promise<string> {
    const cluster = await this.#cluster();
    const { host, namespace } = cluster;
    const [all, autoscalers, allowed] = await Promise.all([this.#all(), this.#autoscalers(), cluster.mayPatch("statefulsets")]);
    return `Kubernetes at ${host}, namespace ${namespace}: ${all.length} workloads, ${autoscalers.length} autoscalers${rights(allowed)}`;
  }

  async list(): Promise<readonly WorkloadState[]> {
    const [all, autoscalers] = await Promise.all([this.#all(), this.#autoscalers()]);
    return all.map((found) => this.#state(found, autoscalers));
  }

  async get(service: string): Promise<WorkloadState | null> {
    const [found, autoscalers] = await Promise.all([this.#find(service), this.#autoscalers()]);
    return found && this.#state(found, autoscalers);
  }

  restart(service: string, write: WriteContext): Promise<WorkloadState> {
    const at = new Date().toISOString();
    return this.#change(service, write, ({ workload: { spec } }) => [
      {
        op: "add",
        path: "/spec/template/metadata/annotations",
        value: { ...spec.template.metadata?.annotations, [RESTARTED_AT]: at },
      },
    ]);
  }

  async scale(service: string, replicas: number, write: WriteContext): Promise<WorkloadState> {
    if (!Number.isInteger(replicas) || replicas < 1) {
      throw refused(`replicas is ${replicas}; give a whole number, at least 1.`);
    }
    return this.#change(service, write, (_found, { bounds, replicas: now }) => {
      if (bounds && (replicas < bounds.min || replicas > bounds.max)) {
        throw refused(
          `replicas is ${replicas}, but an autoscaler keeps ${service} between ${bounds.min} and ${bounds.max}; change the autoscaler instead.`,
        );
      }
      return replicas === now ? [] : [{ op: "add", path: "/spec/replicas", value: replicas }];
    });
  }

  async #change(
    service: string,
    write: WriteContext,
    changes: (found: Found, state: WorkloadState) => JsonPatch,
  ): Promise<WorkloadState> {
    const [found, autoscalers] = await Promise.all([this.#find(service), this.#autoscalers()]);
    if (!found) throw refused(`No workload in the namespace runs ${service.slice(0, 80)}.`);
    const state = this.#state(found, autoscalers);
    if (isDone(found.workload, write)) return state;
    if (write.expected !== null && write.expected !== state.fingerprint) throw moved(service);
    const patch = changes(found, state);
    if (patch.length === 0) return state;
    const { kind, workload } = found;
    try {
      const after = await (await this.#cluster()).patch(kind, workload.metadata.name, guarded(workload, write, patch));
      return this.#state({ kind, workload: after }, autoscalers);
    } catch (error) {
      if (error instanceof ApiError && error.fault === "conflict") throw moved(service, error);
      throw error;
    }
  }

  #state({ kind, workload }: Found, autoscalers: readonly Autoscaler[]): WorkloadState {
    const { metadata, spec, status } = workload;
    const scaler = autoscalers.find(({ spec: scaled }) => {
      const target = scaled.scaleTargetRef;
      return target.name === metadata.name && target.kind === (kind === "deployments" ? "Deployment" : "StatefulSet");
    });
    return {
      service: serviceOf(workload),
      environment: this.environment,
      replicas: spec.replicas ?? 1,
      ready: status.readyReplicas ?? 0,
      settling: !settled(workload),
      stateful: kind === "statefulsets" || (spec.template.spec?.volumes?.some((one) => one.persistentVolumeClaim) ?? false),
      bounds: scaler ? { min: scaler.spec.minReplicas ?? 1, max: scaler.spec.maxReplicas } : null,
      restartMark: spec.template.metadata?.annotations?.[RESTARTED_AT] ?? null,
      fingerprint: workloadFingerprint(workload),
    };
  }

  async #find(service: string): Promise<Found | null> {
    return (await this.#all()).find(({ workload }) => serviceOf(workload) === service) ?? null;
  }

  async #all(): Promise<readonly Found[]> {
    const cluster = await this.#cluster();
    const [deployments, statefulSets] = await Promise.all([cluster.deployments(), cluster.statefulSets()]);
    return [
      ...deployments.map((workload): Found => ({ kind: "deployments", workload })),
      ...statefulSets.map((workload): Found => ({ kind: "statefulsets", workload })),
    ];
  }

  async #autoscalers(): Promise<readonly Autoscaler[]> {
    return (await this.#cluster()).autoscalers();
  }
}

const refused = (message: string): TargetError => new TargetError(message, { outcomeUnknown: false });

const moved = (service: string, cause?: unknown): StateMovedError =>
  new StateMovedError(`${service} moved since this was decided; look again and propose anew.`, { cause });
