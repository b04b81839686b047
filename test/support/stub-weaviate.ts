import { createServer, ServerError, type ServerMiddlewareCall, Status } from "nice-grpc";
import type { CallContext } from "nice-grpc-common";
// The client's own wire definitions, which it does not export.
import {
  HealthCheckResponse_ServingStatus,
  HealthDefinition,
} from "../../node_modules/weaviate-client/dist/node/esm/proto/google/health/v1/health.js";
import { type Filters, Filters_Operator } from "../../node_modules/weaviate-client/dist/node/esm/proto/v1/base.js";
import type { BatchObject, BatchObjectsRequest } from "../../node_modules/weaviate-client/dist/node/esm/proto/v1/batch.js";
import type { BatchDeleteRequest } from "../../node_modules/weaviate-client/dist/node/esm/proto/v1/batch_delete.js";
import type { SearchRequest } from "../../node_modules/weaviate-client/dist/node/esm/proto/v1/search_get.js";
import { WeaviateDefinition } from "../../node_modules/weaviate-client/dist/node/esm/proto/v1/weaviate.js";
import { type StubAnswer, type StubServer, stubServer } from "./stub-server.ts";
import { nearest, type Point, UUID } from "./stub-vector-databases.ts";

export interface StubWeaviate {
  /** Of the REST API. */
  readonly url: string;
  readonly grpcUrl: string;
  readonly requests: StubServer["requests"];
  close(): Promise<void>;
}

interface Class {
  readonly class: string;
  readonly properties: readonly { readonly name: string; readonly dataType: readonly string[] }[];
}

const CLASS = /^[A-Z][_0-9A-Za-z]*$/;
const VERSION = "1.34.0";
const { search, batchObjects, batchDelete } = WeaviateDefinition.methods;
/** What Vigil uses of the service; a call of anything else is refused as unimplemented. */
const USED = { ...WeaviateDefinition, methods: { search, batchObjects, batchDelete } } as const;

/**
 * A stub of Weaviate as its public descriptions have it: the schema over REST, objects and search over gRPC in its own protobuf messages,
 * both behind an API key. No automatic schema: a class and its properties must be declared before objects come.
 */
export async function stubWeaviate(options: { readonly apiKey: string }): Promise<StubWeaviate> {
  const bearer = `Bearer ${options.apiKey}`;
  const classes = new Map<string, Class>();
  const objects = new Map<string, Map<string, Point>>();

  const rest = await stubServer(({ method, path, headers, body }): StubAnswer => {
    const refuse = (status: number, message: string): StubAnswer => ({ status, body: { error: [{ message }] } });
    if (headers.authorization !== bearer) return refuse(401, "unauthorized: invalid api key");
    switch (`${method} ${path}`) {
      case "GET /v1/meta":
        return { body: { hostname: "http://[::]:8080", version: VERSION, modules: {}, grpcMaxMessageSize: 104_858_000 } };
      case "GET /v1/schema":
        return { body: { classes: [...classes.values()] } };
      case "POST /v1/schema": {
        const given = body as Class;
        if (!CLASS.test(given.class)) return refuse(422, `'${given.class}' is not a valid class name`);
        if (classes.has(given.class)) return refuse(422, `class name ${given.class} already exists`);
        classes.set(given.class, given);
        objects.set(given.class, new Map());
        return { body: given };
      }
      default:
        return refuse(404, `path ${path} was not found`);
    }
  });

  const known = (name: string) => {
    const [declared, points] = [classes.get(name), objects.get(name)];
    if (!declared || !points) throw new ServerError(Status.UNKNOWN, `could not find class ${name} in schema`);
    return { points, has: (property: string) => declared.properties.some((one) => one.name === property) };
  };
  const wrong = (object: BatchObject): string | null => {
    const { has, points } = known(object.collection);
    if (!UUID.test(object.uuid)) return `invalid UUID ${object.uuid}`;
    const unknown = Object.keys(object.properties?.nonRefProperties ?? {}).find((property) => !has(property));
    if (unknown) return `no such prop with name '${unknown}' found in class '${object.collection}' in the schema`;
    const [{ vector } = { vector: null }] = points.values();
    const length = object.vectorBytes.length / 4;
    if (vector && vector.length !== length) return `vector dimensions must be ${vector.length}, got ${length}`;
    return null;
  };

  const server = createServer();
  server.add(HealthDefinition, {
    check: async () => ({ status: HealthCheckResponse_ServingStatus.SERVING }),
    watch: () => {
      throw new ServerError(Status.UNIMPLEMENTED, "watch");
    },
  });
  server.with(keyed(bearer)).add(USED, {
    async batchObjects(request: BatchObjectsRequest) {
      const errors = [];
      for (const [index, object] of request.objects.entries()) {
        const error = wrong(object);
        if (error) errors.push({ index, error });
        else {
          const payload = object.properties?.nonRefProperties ?? {};
          const { uuid: id, collection } = object;
          known(collection).points.set(id, { id, vector: floats(object.vectorBytes), payload });
        }
      }
      return { took: 0.001, errors };
    },
    async batchDelete(request: BatchDeleteRequest) {
      const { points } = known(request.collection);
      const gone = idsOf(request.filters).filter((id) => points.delete(id)).length;
      return { took: 0.001, matches: gone, successful: gone, failed: 0, objects: [] };
    },
    async search(request: SearchRequest) {
      const { points, has } = known(request.collection);
      const { nonRefProperties = [], returnAllNonrefProperties = true } = request.properties ?? {};
      const unknown = nonRefProperties.find((property) => !has(property));
      if (unknown) throw new ServerError(Status.UNKNOWN, `no such prop with name '${unknown}' found in class`);
      const query = request.nearVector?.vectors[0]?.vectorBytes;
      if (!query) throw new ServerError(Status.UNKNOWN, "extract params: no vector");
      const { metadata } = request;
      const results = nearest(points.values(), floats(query), request.limit).map(({ id, vector, payload, score }) => {
        const wanted = Object.entries(payload).filter(([name]) => returnAllNonrefProperties || nonRefProperties.includes(name));
        const fields = Object.fromEntries(wanted.map(([name, value]) => [name, { textValue: String(value) }]));
        return {
          metadata: {
            id: metadata?.uuid ? id : "",
            ...(metadata?.vector ? { vectorBytes: bytes(vector) } : {}),
            ...(metadata?.distance ? { distance: 1 - score, distancePresent: true } : {}),
          },
          properties: { nonRefProps: { fields }, targetCollection: request.collection },
        };
      });
      return { took: 0.001, results };
    },
  });
  const port = await server.listen("127.0.0.1:0");
  return {
    url: rest.url,
    grpcUrl: `http://127.0.0.1:${port}`,
    requests: rest.requests,
    close: async () => {
      server.forceShutdown();
      await rest.close();
    },
  };
}

/** Lets through who shows the key. */
function keyed(bearer: string) {
  return async function* <Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext) {
    if (context.metadata.get("authorization") !== bearer)
      throw new ServerError(Status.UNAUTHENTICATED, "unauthorized: invalid api key");
    return yield* call.next(call.request, context);
  };
}

/** Of the only filter that is understood: id is one of these. */
function idsOf(filters: Filters | undefined): readonly string[] {
  const ids = filters?.valueTextArray?.values;
  if (filters?.operator !== Filters_Operator.OPERATOR_CONTAINS_ANY || filters.target?.property !== "_id" || !ids)
    throw new ServerError(Status.UNKNOWN, "unknown filter");
  return ids;
}

/** Vectors travel as 32-bit floats, little-endian. */
function floats(data: Uint8Array): readonly number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, at) => view.getFloat32(at * 4, true));
}

function bytes(vector: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [at, value] of vector.entries()) view.setFloat32(at * 4, value, true);
  return new Uint8Array(view.buffer);
}
