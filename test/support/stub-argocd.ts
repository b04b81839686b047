import { type StubAnswer, type StubRequest, type StubServer, stubServer } from "./stub-server.ts";

interface Entry {
  id: number;
  revision: string;
  deployedAt: string;
  deployStartedAt: string;
  source: Record<string, unknown>;
  initiatedBy: Record<string, unknown>;
}
export interface StubApplication {
  metadata: { name: string; namespace: string; uid: string; annotations: Record<string, string> };
  spec: {
    project: string;
    source: Record<string, unknown>;
    destination: Record<string, unknown>;
    syncPolicy?: { automated?: Record<string, unknown> };
  };
  status: {
    history: Entry[];
    sync: { status: string; revision: string };
    health: { status: string };
    operationState: { phase: string; message: string; startedAt: string; finishedAt?: string };
    summary: { images: string[] };
  };
}

export interface StubArgoCd extends StubServer {
  readonly applications: Map<string, StubApplication>;
  /** How syncs end, and after how many looks. */
  readonly state: { outcome: "Succeeded" | "Failed"; looks: number };
  deploy(name: string, revision: string, more?: { readonly automated?: boolean; readonly project?: string }): void;
}

/**
 * A stub of Argo CD's REST API as its OpenAPI description has it: version, list and get of applications, rollback and sync. It checks method,
 * path, query, token and body, refuses a rollback under automated sync, and ends operations only after a while.
 */
export async function stubArgoCd(options: { readonly token: string }): Promise<StubArgoCd> {
  const applications = new Map<string, StubApplication>();
  const state: StubArgoCd["state"] = { outcome: "Succeeded", looks: 0 };
  const pending = new Map<string, { revision: string; looks: number }>();
  let clock = Date.UTC(2026, 2, 3, 2, 0);
  const time = () => {
    clock += 1_000;
    return new Date(clock).toISOString().replace(".000", "");
  };
  const failure = (status: number, code: number, message: string): StubAnswer => ({
    status,
    body: { error: message, code, message },
  });

  const entry = (application: StubApplication, revision: string, username: string): Entry => ({
    id: (application.status.history.at(-1)?.id ?? -1) + 1,
    revision,
    deployedAt: time(),
    deployStartedAt: time(),
    source: application.spec.source,
    initiatedBy: { username },
  });

  const begin = (application: StubApplication, revision: string): StubAnswer => {
    application.status.operationState = { phase: "Running", message: "", startedAt: time() };
    pending.set(application.metadata.name, { revision, looks: state.looks });
    return { body: application };
  };

  /** What the application controller would have done by now. */
  const progress = (application: StubApplication) => {
    const operation = pending.get(application.metadata.name);
    if (!operation || operation.looks-- > 0) return;
    pending.delete(application.metadata.name);
    const failed = state.outcome === "Failed";
    if (!failed) application.status.history.push(entry(application, operation.revision, "vigil"));
    application.status.operationState = {
      ...application.status.operationState,
      phase: state.outcome,
      message: failed ? "one or more objects failed to apply" : "successfully synced",
      finishedAt: time(),
    };
  };

  const answer = ({ method, path, query, headers, body }: StubRequest): StubAnswer => {
    if (path === "/api/version" && method === "GET") return { body: { Version: "v2.13.2+dc43124" } };
    if (headers.authorization !== `Bearer ${options.token}`) return failure(401, 16, "no session information");
    const [, api, version, kind, name, verb] = path.split("/").map(decodeURIComponent);
    if (api !== "api" || version !== "v1" || kind !== "applications") return failure(404, 5, "Not Found");
    if (name === undefined) {
      const projects = query.getAll("projects");
      const items = [...applications.values()].filter(({ spec }) => projects.length === 0 || projects.includes(spec.project));
      // As the server has it: no items are null, not an empty list.
      return { body: { metadata: {}, items: items.length > 0 ? items : null } };
    }
    const application = applications.get(name);
    // An application that is not there and one that may not be seen look the same.
    if (!application) return failure(403, 7, "permission denied");
    if (verb === undefined && method === "GET") {
      if (query.get("appNamespace") !== application.metadata.namespace) return failure(403, 7, "permission denied");
      progress(application);
      return { body: application };
    }
    if (method !== "POST") return failure(405, 12, "Method Not Allowed");
    const given = body as { name?: string; id?: number; revision?: string; appNamespace?: string };
    if (given.name !== name || given.appNamespace !== application.metadata.namespace) return failure(400, 3, "invalid request");
    if (pending.has(name)) return failure(400, 9, "another operation is already in progress");
    if (verb === "rollback") {
      if (application.spec.syncPolicy?.automated)
        return failure(400, 9, "rollback cannot be initiated when auto-sync is enabled");
      const found = application.status.history.find(({ id }) => id === given.id);
      if (!found) return failure(400, 3, `application ${name} does not have deployment id ${given.id} in history`);
      return begin(application, found.revision);
    }
    if (verb === "sync") return begin(application, given.revision ?? "HEAD");
    return failure(404, 5, "Not Found");
  };

  const server = await stubServer(answer);
  return Object.assign(server, {
    applications,
    state,
    deploy: (name: string, revision: string, { automated = false, project = "shop" } = {}) => {
      const application: StubApplication = applications.get(name) ?? {
        metadata: { name, namespace: "argocd", uid: `uid-${name}`, annotations: {} },
        spec: {
          project,
          source: { repoURL: "https://charts.shop.example", chart: name, targetRevision: "*" },
          destination: { server: "https://kubernetes.default.svc", namespace: "shop" },
          ...(automated ? { syncPolicy: { automated: {} } } : {}),
        },
        status: {
          history: [],
          sync: { status: "Synced", revision },
          health: { status: "Healthy" },
          operationState: { phase: "Succeeded", message: "successfully synced", startedAt: time() },
          summary: { images: [`registry.example/${name}:${revision}`] },
        },
      };
      applications.set(name, application);
      application.status.history.push(entry(application, revision, "jonas"));
    },
  });
}
