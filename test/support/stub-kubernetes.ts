import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type StubAnswer, type StubRequest, type StubServer, stubServer } from "./stub-server.ts";

/** Objects as the API has them; tests reach into them freely. */
// biome-ignore lint/suspicious/noExplicitAny: the API's objects are deep, and a stub's types would repeat what is under test
type Json = Record<string, any>;
type Plural = "deployments" | "replicasets" | "statefulsets" | "horizontalpodautoscalers";
/** A rule of a Role, as RBAC has it. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface StubKubernetes extends StubServer {
  readonly objects: Record<Plural, Map<string, Json>>;
  readonly state: {
    /** What the token may do; everything while null. */
    rules: readonly Rule[] | null;
    /** When the Deployment controller has all copies ready: in so many milliseconds, or never. */
    rollout: number | "never";
  };
  kubeconfig(more?: { readonly token?: string }): string;
  deploy(service: string, image: string, more?: { readonly replicas?: number; readonly env?: string }): void;
  stateful(service: string, image: string): void;
  autoscale(service: string, min: number, max: number): void;
}

const TOKEN = "reader-and-executor";

/**
 * A stub of the parts of Kubernetes' API that Vigil uses (https://kubernetes.io/docs/reference/kubernetes-api/): lists with `limit` and
 * `continue`, JSON patches with `test`, watches, and a Deployment controller that makes ReplicaSets with revisions and gets copies ready.
 * It checks method, path, credentials, content type and RBAC rules, and answers faults as `Status` objects.
 */
export async function stubKubernetes(options: { readonly namespace: string }): Promise<StubKubernetes> {
  const objects: StubKubernetes["objects"] = {
    deployments: new Map(),
    replicasets: new Map(),
    statefulsets: new Map(),
    horizontalpodautoscalers: new Map(),
  };
  const watchers = new Set<{ name: string | null; response: ServerResponse }>();
  let version = 100;
  const state: StubKubernetes["state"] = { rules: null, rollout: 0 };

  const touched = (object: Json, type = "MODIFIED") => {
    object.metadata.resourceVersion = String(++version);
    for (const { name, response } of watchers) {
      if (object.kind === "Deployment" && (name === null || name === object.metadata.name)) {
        response.write(`${JSON.stringify({ type, object })}\n`);
      }
    }
  };

  const answer = (request: StubRequest, response: ServerResponse): StubAnswer | null => {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return failure(401, "Unauthorized", "Unauthorized");
    if (request.path === "/version" && request.method === "GET")
      return { body: { major: "1", minor: "31", gitVersion: "v1.31.2" } };
    if (request.path === "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" && request.method === "POST")
      return review(request);
    const path = /^\/apis\/(apps|autoscaling)\/(v1|v2)\/namespaces\/([^/]+)\/([a-z]+)(?:\/([^/]+))?$/.exec(request.path);
    const [, group = "", , namespace = "", plural = "", name] = path ?? [];
    const known = group === "apps" ? ["deployments", "replicasets", "statefulsets"] : ["horizontalpodautoscalers"];
    if (!path || !known.includes(plural)) return failure(404, "NotFound", "the server could not find the requested resource");
    const watching = request.query.get("watch") === "true";
    const verb = request.method === "PATCH" ? "patch" : watching ? "watch" : name ? "get" : "list";
    if (request.method !== "GET" && request.method !== "PATCH") return failure(405, "MethodNotAllowed", "not allowed");
    const allowed = state.rules?.some(
      ({ apiGroups, resources, verbs }) => apiGroups.includes(group) && resources.includes(plural) && verbs.includes(verb),
    );
    if (allowed === false) {
      const who = `User "system:serviceaccount:vigil:vigil" cannot ${verb} resource "${plural}" in API group "${group}"`;
      return failure(403, "Forbidden", `${plural}.${group} is forbidden: ${who} in the namespace "${namespace}"`);
    }
    const all = namespace === options.namespace ? objects[plural as Plural] : new Map<string, Json>();
    if (watching) return watch(request, response, all);
    if (name === undefined) return list(request, plural, all);
    const object = all.get(decodeURIComponent(name));
    if (!object) return failure(404, "NotFound", `${plural}.${group} "${name}" not found`);
    return request.method === "GET" ? { body: object } : patch(request, object);
  };

  const review = ({ body }: StubRequest): StubAnswer => {
    const { kind, spec } = body as { kind: string; spec: { resourceAttributes: Record<string, string> } };
    if (kind !== "SelfSubjectAccessReview") return failure(400, "BadRequest", "no review");
    const { group = "", resource = "", verb = "" } = spec.resourceAttributes;
    const allowed =
      state.rules?.some(
        ({ apiGroups, resources, verbs }) => apiGroups.includes(group) && resources.includes(resource) && verbs.includes(verb),
      ) ?? true;
    return { status: 201, body: { ...(body as object), status: { allowed } } };
  };

  const list = ({ query }: StubRequest, plural: string, all: Map<string, Json>): StubAnswer => {
    const from = Number(query.get("continue") ?? 0);
    // The server may always send less than it was asked for.
    const limit = Math.min(Number(query.get("limit") ?? 500), 2);
    const items = [...all.values()].slice(from, from + limit);
    const more = from + limit < all.size ? { continue: String(from + limit) } : {};
    return { body: { kind: `${plural}List`, apiVersion: "v1", metadata: { resourceVersion: String(version), ...more }, items } };
  };

  const watch = ({ query }: StubRequest, response: ServerResponse, all: Map<string, Json>): null => {
    const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1] ?? null;
    response.writeHead(200, { "content-type": "application/json" });
    const since = Number(query.get("resourceVersion") ?? 0);
    for (const object of all.values()) {
      const wanted = name === null || object.metadata.name === name;
      if (wanted && Number(object.metadata.resourceVersion) > since) {
        response.write(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
      }
    }
    const watcher = { name, response };
    watchers.add(watcher);
    response.flushHeaders();
    response.on("close", () => watchers.delete(watcher));
    return null;
  };

  const patch = ({ headers, body, query }: StubRequest, object: Json): StubAnswer => {
    if (headers["content-type"] !== "application/json-patch+json")
      return failure(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
    if (query.get("fieldManager") !== "vigil") return failure(400, "BadRequest", "these tests want a field manager");
    const after = structuredClone(object);
    for (const { op, path, value } of body as { op: string; path: string; value?: unknown }[]) {
      const keys = path
        .split("/")
        .slice(1)
        .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
      const last = keys.pop() ?? "";
      const at = keys.reduce<Json | undefined>((one, key) => one?.[key], after);
      if (!at)
        return failure(
          422,
          "Invalid",
          `the server rejected our request: ${op} operation does not apply: doc is missing path: "${path}"`,
        );
      if (op === "test") {
        if (JSON.stringify(at[last]) !== JSON.stringify(value)) {
          return failure(
            422,
            "Invalid",
            `the server rejected our request due to an error in our request: testing value ${path} failed: test failed`,
          );
        }
      } else if (op === "remove") delete at[last];
      else if (op === "replace" && !(last in at))
        return failure(422, "Invalid", `replace operation does not apply: doc is missing key: ${path}`);
      else at[last] = value;
    }
    if (after.spec.replicas < 0) return failure(422, "Invalid", "spec.replicas: must be greater than or equal to 0");
    const wanted = JSON.stringify(after.spec) !== JSON.stringify(object.spec);
    for (const key of Object.keys(object)) delete object[key];
    Object.assign(object, after);
    if (wanted) object.metadata.generation++;
    touched(object);
    if (wanted && object.kind === "Deployment") control(object);
    else if (wanted) ready(object);
    return { body: structuredClone(object) };
  };

  /** What the Deployment controller does: a ReplicaSet for each template, the newest revision for the wanted one, copies that become ready. */
  const control = (deployment: Json) => {
    const { template } = deployment.spec;
    const hash = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 10);
    const name = `${deployment.metadata.name}-${hash}`;
    const own = [...objects.replicasets.values()].filter(
      (one) => one.metadata.ownerReferences[0].uid === deployment.metadata.uid,
    );
    const revision = String(
      1 + Math.max(0, ...own.map((one) => Number(one.metadata.annotations["deployment.kubernetes.io/revision"]))),
    );
    const labelled = structuredClone(template);
    labelled.metadata.labels["pod-template-hash"] = hash;
    const old = objects.replicasets.get(name);
    const set: Json = old ?? {
      kind: "ReplicaSet",
      apiVersion: "apps/v1",
      metadata: {
        name,
        namespace: options.namespace,
        uid: randomUUID(),
        generation: 1,
        creationTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
        annotations: {},
        ownerReferences: [
          {
            apiVersion: "apps/v1",
            kind: "Deployment",
            name: deployment.metadata.name,
            uid: deployment.metadata.uid,
            controller: true,
          },
        ],
      },
      spec: { replicas: deployment.spec.replicas, template: labelled },
      status: { replicas: deployment.spec.replicas },
    };
    set.metadata.annotations["deployment.kubernetes.io/revision"] =
      old && own.length === 1 ? old.metadata.annotations["deployment.kubernetes.io/revision"] : revision;
    objects.replicasets.set(name, set);
    deployment.metadata.annotations = {
      ...deployment.metadata.annotations,
      "deployment.kubernetes.io/revision": set.metadata.annotations["deployment.kubernetes.io/revision"],
    };
    deployment.status = { ...deployment.status, observedGeneration: deployment.metadata.generation, updatedReplicas: 0 };
    touched(deployment);
    if (state.rollout === "never") {
      const { replicas } = deployment.spec;
      deployment.status.availableReplicas = replicas - 1;
      deployment.status.conditions = [
        {
          type: "Progressing",
          status: "False",
          reason: "ProgressDeadlineExceeded",
          message: `ReplicaSet "${name}" has timed out progressing.`,
        },
      ];
      touched(deployment);
    } else if (state.rollout === 0) ready(deployment);
    else setTimeout(() => ready(deployment), state.rollout).unref();
  };

  const ready = (object: Json) => {
    const { replicas } = object.spec;
    object.status = {
      observedGeneration: object.metadata.generation,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
      conditions: [{ type: "Progressing", status: "True", reason: "NewReplicaSetAvailable" }],
    };
    touched(object);
  };

  const workload = (kind: string, name: string, image: string, replicas: number, env?: string): Json => ({
    kind,
    apiVersion: "apps/v1",
    metadata: {
      name,
      namespace: options.namespace,
      uid: randomUUID(),
      generation: 1,
      creationTimestamp: "2026-03-01T08:00:00Z",
      annotations: {},
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { creationTimestamp: null, labels: { app: name } },
        spec: {
          containers: [
            { name: "sidecar", image: "mesh/proxy:7" },
            { name, image, ...(env ? { env: [{ name: "MODE", value: env }] } : {}), fieldOfTomorrow: { kept: true } },
          ],
        },
      },
    },
    status: {},
  });

  const server = await stubServer(answer);
  return Object.assign(server, {
    objects,
    state,
    kubeconfig: ({ token = TOKEN }: { readonly token?: string } = {}) => {
      const file = join(mkdtempSync(join(tmpdir(), "vigil-kubeconfig-")), "config");
      const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "stub", cluster: { server: server.url, "insecure-skip-tls-verify": true } }],
        users: [{ name: "vigil", user: { token } }],
        contexts: [{ name: "stub", context: { cluster: "stub", user: "vigil" } }],
        "current-context": "stub",
      };
      writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
      return file;
    },
    deploy: (service: string, image: string, { replicas = 3, env }: { replicas?: number; env?: string } = {}) => {
      const known = objects.deployments.get(service);
      const next = workload("Deployment", service, image, replicas, env);
      if (known) {
        known.spec.template = next.spec.template;
        known.metadata.generation++;
      } else objects.deployments.set(service, next);
      control(known ?? next);
    },
    stateful: (service: string, image: string) => {
      const made = workload("StatefulSet", service, image, 2);
      objects.statefulsets.set(service, made);
      ready(made);
    },
    autoscale: (service: string, min: number, max: number) => {
      objects.horizontalpodautoscalers.set(service, {
        metadata: { name: service },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: service },
          minReplicas: min,
          maxReplicas: max,
        },
      });
    },
  });
}

const failure = (code: number, reason: string, message: string): StubAnswer => ({
  status: code,
  body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code },
});
