import type { KubeConfig } from "@kubernetes/client-node";
import type { z } from "zod";
import { TargetError } from "../../actions/ports.ts";
import type { Milliseconds } from "../../domain/time.ts";
import { ApiError, type ApiFault } from "../json-api.ts";
import { NoAnswer, send } from "./http.ts";
import {
  type Autoscaler,
  autoscalerSchema,
  listOf,
  reviewSchema,
  versionSchema,
  type Workload,
  workloadSchema,
} from "./objects.ts";

export interface ClusterOptions {
  /** A kubeconfig file; without one, the service account of the pod that Vigil runs in. */
  readonly kubeconfig?: string | undefined;
  /** A context of that file; its current one when left out. */
  readonly context?: string | undefined;
  readonly namespace: string;
  /** For one call with its answer; 10 seconds unless told. */
  readonly timeout?: Milliseconds;
}

export type WorkloadKind = "deployments" | "statefulsets";
/** RFC 6902. A `test` that does not hold makes the API server refuse the whole. */
export type JsonPatch = readonly {
  readonly op: "test" | "add" | "replace" | "remove";
  readonly path: string;
  readonly value?: unknown;
}[];

type Query = Readonly<Record<string, string>>;

const PAGE = 250;
const MOST_BYTES = 32_000_000;

/**
 * One namespace of a cluster, as far as Vigil reads and changes it. The official client finds and renews the credentials (kubeconfig, exec
 * plug-ins, client certificates, service accounts); bodies are read here, since its typed models drop what they do not know. Every failure
 * is an `ApiError` in the operator's words.
 */
export class Cluster {
  readonly namespace: string;
  /** Of the API server: `10.0.0.1:6443`. */
  readonly host: string;
  readonly #client: typeof import("@kubernetes/client-node");
  readonly #config: KubeConfig;
  readonly #server: string;
  readonly #timeout: Milliseconds;
  readonly #key: string;

  private constructor(
    options: ClusterOptions,
    client: typeof import("@kubernetes/client-node"),
    config: KubeConfig,
    server: string,
  ) {
    this.namespace = options.namespace;
    this.host = new URL(server).host;
    this.#client = client;
    this.#config = config;
    this.#server = server.replace(/\/$/, "");
    this.#timeout = options.timeout ?? 10_000;
    this.#key = options.kubeconfig ? "kubernetes.kubeconfig" : "this pod's service account, or kubernetes.kubeconfig";
  }

  /**
   * Reads the configuration; calls nobody. The client library is loaded only here: it is large.
   *
   * @throws TargetError when there is no such file or context
   */
  static async open(options: ClusterOptions): Promise<Cluster> {
    const client = await import("@kubernetes/client-node");
    const config = new client.KubeConfig();
    const { kubeconfig, context } = options;
    try {
      if (kubeconfig) config.loadFromFile(kubeconfig);
      else config.loadFromCluster();
    } catch (error) {
      throw refused(`The cluster's access cannot be read (${(error as Error).message}); check kubernetes.kubeconfig.`, error);
    }
    if (context && !config.getContextObject(context)) {
      const known = config.getContexts().map(({ name }) => name);
      throw refused(`${kubeconfig} has no context ${context}; it has: ${known.join(", ") || "none"}. Check kubernetes.context.`);
    }
    if (context) config.setCurrentContext(context);
    const server = config.getCurrentCluster()?.server;
    if (!server || !URL.canParse(server)) {
      throw refused("No cluster is known: set kubernetes.kubeconfig, or run Vigil in a pod with a service account.");
    }
    return new Cluster(options, client, config, server);
  }

  async version(): Promise<string> {
    return (await this.#call("GET", "/version", versionSchema)).gitVersion;
  }

  deployments(): Promise<Workload[]> {
    return this.#list(this.#apps("deployments"), workloadSchema);
  }

  replicaSets(): Promise<Workload[]> {
    return this.#list(this.#apps("replicasets"), workloadSchema);
  }

  statefulSets(): Promise<Workload[]> {
    return this.#list(this.#apps("statefulsets"), workloadSchema);
  }

  autoscalers(): Promise<Autoscaler[]> {
    const path = `/apis/autoscaling/v2/namespaces/${encodeURIComponent(this.namespace)}/horizontalpodautoscalers`;
    return this.#list(path, autoscalerSchema);
  }

  deployment(name: string): Promise<Workload> {
    return this.#call("GET", this.#apps("deployments", name), workloadSchema);
  }

  /** @throws ApiError with the fault `conflict` when a `test` does not hold */
  patch(kind: WorkloadKind, name: string, body: JsonPatch): Promise<Workload> {
    return this.#call("PATCH", this.#apps(kind, name), workloadSchema, { query: { fieldManager: "vigil" }, body });
  }

  /** Whether these credentials may change such workloads here, by the API server's own word; null when it does not say. */
  async mayPatch(kind: WorkloadKind): Promise<boolean | null> {
    const resourceAttributes = { namespace: this.namespace, verb: "patch", group: "apps", resource: kind };
    const body = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: { resourceAttributes } };
    try {
      const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
      return (await this.#call("POST", path, reviewSchema, { body })).status.allowed;
    } catch (error) {
      if (error instanceof ApiError && (error.fault === "forbidden" || error.fault === "missing")) return null;
      throw error;
    }
  }

  /** Resolves at the next change of a Deployment after `version`, when the watch breaks off, or after `within`. Never rejects. */
  async changed(name: string, version: string | null | undefined, within: Milliseconds): Promise<void> {
    const query = { fieldSelector: `metadata.name=${name}`, ...(version ? { resourceVersion: version } : {}) };
    const watch = new this.#client.Watch(this.#config);
    let abort = () => {};
    await new Promise<void>((done) => {
      const timer = setTimeout(done, within);
      const end = (pause: Milliseconds) => {
        clearTimeout(timer);
        setTimeout(done, pause);
      };
      // A watch that ends at once must not make this a busy loop.
      const broken = () => end(Math.min(within, 250));
      watch
        .watch(this.#apps("deployments"), query, () => end(0), broken)
        .then((controller) => {
          abort = () => controller.abort();
        }, broken);
    });
    abort();
  }

  #apps(kind: string, name?: string): string {
    const path = `/apis/apps/v1/namespaces/${encodeURIComponent(this.namespace)}/${kind}`;
    return name === undefined ? path : `${path}/${encodeURIComponent(name)}`;
  }

  async #list<T>(path: string, item: z.ZodType<T>): Promise<T[]> {
    const found: T[] = [];
    let next: string | null | undefined;
    do {
      const query: Query = { limit: String(PAGE), ...(next ? { continue: next } : {}) };
      const page = await this.#call("GET", path, listOf(item), { query });
      found.push(...page.items);
      next = page.metadata.continue;
    } while (next);
    return found;
  }

  async #call<T>(
    method: "GET" | "PATCH" | "POST",
    path: string,
    schema: z.ZodType<T>,
    { query = {}, body }: { readonly query?: Query; readonly body?: object } = {},
  ): Promise<T> {
    const { RequestContext } = this.#client;
    const request = new RequestContext(`${this.#server}${path}?${new URLSearchParams(query)}`, method as never);
    request.setHeaderParam("Accept", "application/json");
    if (body) {
      request.setHeaderParam("Content-Type", method === "PATCH" ? "application/json-patch+json" : "application/json");
      request.setBody(JSON.stringify(body));
    }
    const call = `${method} ${path}`;
    const fail = (fault: ApiFault, status: number | null, message: string, said = "", cause?: unknown) =>
      new ApiError(`Kubernetes ${message}${said ? ` It said: ${said}` : ""}`, {
        fault,
        status,
        said,
        outcomeUnknown: method === "PATCH" && (fault === "timeout" || fault === "server" || fault === "garbage"),
        cause,
      });
    const answer = await this.#config
      .applySecurityAuthentication(request)
      .then(
        () => send(request, { timeout: this.#timeout, maxBytes: MOST_BYTES }),
        (error) => {
          throw refused(`The credentials for ${this.host} cannot be had (${oneLine(String(error))}); check ${this.#key}.`, error);
        },
      )
      .catch((error) => {
        if (!(error instanceof NoAnswer)) throw error;
        const { message } = error;
        if (error.fault === "timeout") throw fail("timeout", null, `did not answer ${call} ${message}.`, "", error);
        if (error.fault === "too large") throw fail("garbage", null, `sent ${message} for ${call}; it was not read further.`);
        const fault = error.fault === "unreachable" ? "unreachable" : "server";
        throw fail(fault, null, `at ${this.host} cannot be reached (${message}); check ${this.#key} and the network.`, "", error);
      });
    const value = parsed(answer.text);
    if (answer.status >= 300) {
      const [fault, message] = meaning(answer.status, call, this.#key);
      throw fail(fault, answer.status, message, oneLine(messageOf(value) ?? answer.text));
    }
    if (value === undefined) {
      throw fail("garbage", answer.status, `answered ${call} with something that is not JSON; check ${this.#key}.`);
    }
    const read = schema.safeParse(value);
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    throw fail(
      "garbage",
      answer.status,
      `answered ${call} in another shape than its API has (${issue?.path.join(".") || "top level"}: ${issue?.message}); check ${this.#key}.`,
    );
  }
}

function meaning(status: number, call: string, key: string): readonly [ApiFault, string] {
  if (status === 401) return ["unauthorized", `does not accept the credentials (401 on ${call}); check ${key}.`];
  if (status === 403)
    return [
      "forbidden",
      `forbids ${call} (403); bind the reader's role, and the executor's for changes (src/install/kubernetes).`,
    ];
  if (status === 404) return ["missing", `has no such thing (404 on ${call}); check the name and kubernetes.namespace.`];
  // A JSON patch whose test does not hold is a 422; a write that crossed with another is a 409.
  if (status === 409 || status === 422) return ["conflict", `refused ${call} (${status}).`];
  if (status === 429) return ["rate_limited", `limits the rate of calls (429 on ${call}); try again in a minute.`];
  if (status >= 500) return ["server", `failed (${status} on ${call}).`];
  return ["rejected", `refused ${call} (${status}).`];
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, 300);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The message of a `Status` object. */
function messageOf(value: unknown): string | null {
  const message = (value as { message?: unknown } | null | undefined)?.message;
  return typeof message === "string" ? message : null;
}

const refused = (message: string, cause?: unknown): TargetError => new TargetError(message, { outcomeUnknown: false, cause });

/** For `doctor`: whether Vigil may act there, or only see. */
export const rights = (allowed: boolean | null): string =>
  allowed === false ? "; may read only: bind the executor's role to let it act" : allowed ? ", may act" : "";
