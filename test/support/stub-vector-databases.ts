import { type StubAnswer, type StubRequest, type StubServer, stubServer } from "./stub-server.ts";

type Json = Readonly<Record<string, unknown>>;
export interface Point {
  readonly id: string;
  readonly vector: readonly number[];
  readonly payload: Json;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const cosine = (a: readonly number[], b: readonly number[]) => {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};
/** Best first. */
export const nearest = (points: Iterable<Point>, query: readonly number[], limit: number) =>
  [...points]
    .map((point) => ({ ...point, score: cosine(query, point.vector) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit);

/** A stub of Qdrant's REST API as its public description has it: collections, upsert, delete and query of points. */
export function stubQdrant(options: { readonly apiKey: string; readonly dimensions: number }): Promise<StubServer> {
  const collections = new Map<string, Map<string, Point>>();
  return stubServer(({ method, path, headers, body, query }: StubRequest): StubAnswer => {
    const ok = (result: unknown): StubAnswer => ({ body: { result, status: "ok", time: 0.001 } });
    const refuse = (status: number, error: string): StubAnswer => ({ status, body: { status: { error }, time: 0 } });
    if (headers["api-key"] !== options.apiKey) return refuse(403, "Invalid api-key");
    if (path === "/" || path === "/healthz") return { body: { title: "qdrant - vector search engine", version: "1.18.0" } };
    if (method === "GET" && path === "/collections")
      return ok({ collections: [...collections.keys()].map((name) => ({ name })) });
    const [, name = "", rest = ""] = /^\/collections\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    const given = (body ?? {}) as Json;
    if (method === "PUT" && name && rest === "") {
      const { size, distance } = given.vectors as Json;
      if (size !== options.dimensions || distance !== "Cosine") return refuse(400, "wrong vectors");
      collections.set(name, new Map());
      return ok(true);
    }
    const points = collections.get(name);
    if (!points) return refuse(404, `Not found: Collection \`${name}\` doesn't exist!`);
    if (method === "PUT" && rest === "/points") {
      for (const point of given.points as Point[]) {
        if (!UUID.test(point.id) || point.vector.length !== options.dimensions) return refuse(400, "Wrong input");
        points.set(point.id, point);
      }
      return query.get("wait") === "true" ? ok({ operation_id: 1, status: "completed" }) : refuse(400, "wait");
    }
    if (method === "POST" && rest === "/points/delete") {
      for (const id of given.points as string[]) points.delete(id);
      return ok({ operation_id: 2, status: "completed" });
    }
    if (method === "POST" && rest === "/points/query") {
      const found = nearest(points.values(), given.query as number[], Number(given.limit));
      return ok({ points: found.map(({ id, score, payload }) => ({ id, version: 1, score, payload })) });
    }
    return refuse(404, "Not found");
  });
}

/** A stub of the data plane of one Pinecone index as its public description has it: upsert, delete and query in a namespace. */
export function stubPinecone(options: { readonly apiKey: string }): Promise<StubServer> {
  const namespaces = new Map<string, Map<string, Point>>();
  return stubServer(({ method, path, headers, body }: StubRequest): StubAnswer => {
    if (headers["api-key"] !== options.apiKey) return { status: 401, body: "Invalid API Key" };
    if (method !== "POST" || !headers["x-pinecone-api-version"]) return { status: 404, body: "Not Found" };
    const given = body as Json;
    const name = String(given.namespace ?? "");
    const points = namespaces.get(name) ?? new Map<string, Point>();
    namespaces.set(name, points);
    switch (path) {
      case "/vectors/upsert": {
        const vectors = given.vectors as { id: string; values: number[]; metadata: Json }[];
        for (const { id, values, metadata } of vectors) points.set(id, { id, vector: values, payload: metadata });
        return { body: { upsertedCount: vectors.length } };
      }
      case "/vectors/delete":
        for (const id of given.ids as string[]) points.delete(id);
        return { body: {} };
      case "/query": {
        const found = nearest(points.values(), given.vector as number[], Number(given.topK));
        const matches = found.map(({ id, score, payload }) => ({ id, score, values: [], metadata: payload }));
        return { body: { matches, namespace: name, usage: { readUnits: 1 } } };
      }
      default:
        return { status: 404, body: "Not Found" };
    }
  });
}
