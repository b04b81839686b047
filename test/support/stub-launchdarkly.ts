import { randomUUID } from "node:crypto";
import { type StubAnswer, type StubRequest, type StubServer, stubServer } from "./stub-server.ts";

interface Rule {
  _id: string;
  clauses: unknown[];
  variation?: number;
  rollout?: unknown;
  description?: string;
}
interface Environment {
  on: boolean;
  archived: boolean;
  targets: unknown[];
  contextTargets: unknown[];
  rules: Rule[];
  fallthrough: Record<string, unknown>;
  offVariation: number;
  prerequisites: unknown[];
  version: number;
}
interface Flag {
  key: string;
  kind: string;
  description: string;
  archived: boolean;
  tags: string[];
  variations: { _id: string; value: unknown }[];
  environments: Record<string, Environment>;
}
type Instruction = Record<string, unknown> & { kind: string };

export interface StubLaunchDarkly extends StubServer {
  readonly flags: Map<string, Flag>;
  /** Comments of the patches that were applied. */
  readonly comments: string[];
  createFlag(key: string, percent: number, more?: Partial<Pick<Flag, "tags" | "description">>): Flag;
}

/**
 * A stub of LaunchDarkly's REST API v2 as its public description has it: `GET /api/v2/flags/{project}` with paging, `GET` and semantic
 * `PATCH` of one flag. It checks method, path, headers and body, knows the instructions that are described for targeting, and refuses others.
 */
export async function stubLaunchDarkly(options: {
  readonly token: string;
  readonly project: string;
  readonly environment: string;
}): Promise<StubLaunchDarkly> {
  const flags = new Map<string, Flag>();
  const comments: string[] = [];
  const refusal = (status: number, code: string, message: string): StubAnswer => ({ status, body: { code, message } });

  const answer = (request: StubRequest): StubAnswer => {
    if (request.headers.authorization !== options.token) return refusal(401, "unauthorized", "invalid access token");
    if (!/^\d{8}$/.test(String(request.headers["ld-api-version"]))) return refusal(400, "invalid_request", "unknown API version");
    const [, api, version, kind, project, key] = request.path.split("/").map(decodeURIComponent);
    if (api !== "api" || version !== "v2" || kind !== "flags" || project !== options.project) {
      return refusal(404, "not_found", "Unknown resource");
    }
    if (key === undefined)
      return request.method === "GET" ? list(request) : refusal(405, "method_not_allowed", "Method not allowed");
    const flag = flags.get(key);
    if (!flag) return refusal(404, "not_found", `Unknown feature flag key '${key}'`);
    if (request.method === "GET") return { body: flag };
    if (request.method === "PATCH") return patch(flag, request);
    return refusal(405, "method_not_allowed", "Method not allowed");
  };

  const list = ({ query }: StubRequest): StubAnswer => {
    const limit = Number(query.get("limit") ?? 20);
    const offset = Number(query.get("offset") ?? 0);
    // Without summary=0 the list leaves out rules, targets and prerequisites.
    const whole = query.get("summary") === "0";
    const shown = [...flags.values()].filter(({ archived }) => !archived).slice(offset, offset + limit);
    return {
      body: {
        items: shown.map((flag) => (whole ? flag : { ...flag, environments: {} })),
        totalCount: flags.size,
        _links: {},
      },
    };
  };

  const patch = (flag: Flag, { headers, body }: StubRequest): StubAnswer => {
    if (headers["content-type"] !== "application/json; domain-model=launchdarkly.semanticpatch") {
      return refusal(400, "invalid_request", "this endpoint is asked with a semantic patch in these tests");
    }
    const { environmentKey, comment, instructions } = body as {
      environmentKey?: string;
      comment?: string;
      instructions?: Instruction[];
    };
    const before = flag.environments[environmentKey ?? ""];
    if (!before) return refusal(400, "invalid_request", `Unknown environment key '${environmentKey}'`);
    if (!instructions || instructions.length === 0) return refusal(400, "invalid_request", "instructions must not be empty");
    // All instructions or none.
    const after = structuredClone(before);
    for (const instruction of instructions) {
      const fault = apply(flag, after, instruction);
      if (fault) return refusal(400, "invalid_request", fault);
    }
    after.version++;
    flag.environments[environmentKey ?? ""] = after;
    comments.push(comment ?? "");
    return { body: flag };
  };

  const server = await stubServer(answer);
  return Object.assign(server, {
    flags,
    comments,
    createFlag: (key: string, percent: number, more: Partial<Pick<Flag, "tags" | "description">> = {}): Flag => {
      const flag: Flag = {
        key,
        kind: "boolean",
        description: "",
        archived: false,
        tags: [],
        variations: [
          { _id: randomUUID(), value: true },
          { _id: randomUUID(), value: false },
        ],
        environments: {
          [options.environment]: {
            on: true,
            archived: false,
            targets: [],
            contextTargets: [],
            rules: [],
            fallthrough: {
              rollout: {
                contextKind: "user",
                variations: [
                  { variation: 0, weight: percent * 1_000 },
                  { variation: 1, weight: (100 - percent) * 1_000 },
                ],
              },
            },
            offVariation: 1,
            prerequisites: [],
            version: 1,
          },
        },
        ...more,
      };
      flags.set(key, flag);
      return flag;
    },
  });
}

/** Applies one instruction; says why it cannot be. */
function apply(flag: Flag, at: Environment, instruction: Instruction): string | null {
  const indexOf = (id: unknown) => flag.variations.findIndex(({ _id }) => _id === id);
  const serving = (given: Record<string, unknown>): Record<string, unknown> | string => {
    if (given.rolloutWeights === undefined) {
      const variation = indexOf(given.variationId);
      return variation < 0 ? `invalid variationId ${given.variationId}` : { variation };
    }
    const weights = Object.entries(given.rolloutWeights as Record<string, number>);
    if (weights.some(([id]) => indexOf(id) < 0)) return "rolloutWeights names an unknown variation";
    if (weights.some(([, weight]) => !Number.isInteger(weight) || weight < 0)) return "weights must be whole numbers";
    if (weights.reduce((sum, [, weight]) => sum + weight, 0) !== 100_000) return "weights must sum to 100000";
    const variations = weights.map(([id, weight]) => ({ variation: indexOf(id), weight }));
    return { rollout: { contextKind: given.rolloutContextKind ?? "user", variations } };
  };
  const ruleFrom = (given: Record<string, unknown>): Rule | string => {
    if (!Array.isArray(given.clauses) || given.clauses.length === 0) return "a rule needs clauses";
    const what = serving(given);
    return typeof what === "string" ? what : { _id: randomUUID(), clauses: given.clauses, ...what };
  };
  switch (instruction.kind) {
    case "turnFlagOn":
    case "turnFlagOff":
      at.on = instruction.kind === "turnFlagOn";
      return null;
    case "updateFallthroughVariationOrRollout": {
      const what = serving(instruction);
      if (typeof what === "string") return what;
      at.fallthrough = what;
      return null;
    }
    case "updateOffVariation": {
      const index = indexOf(instruction.variationId);
      if (index < 0) return "invalid variationId";
      at.offVariation = index;
      return null;
    }
    case "addRule": {
      const rule = ruleFrom(instruction);
      if (typeof rule === "string") return rule;
      at.rules.push(rule);
      return null;
    }
    case "removeRule": {
      const index = at.rules.findIndex(({ _id }) => _id === instruction.ruleId);
      if (index < 0) return `unknown rule ${instruction.ruleId}`;
      at.rules.splice(index, 1);
      return null;
    }
    case "replaceRules": {
      const rules = (instruction.rules as Record<string, unknown>[]).map(ruleFrom);
      const fault = rules.find((rule) => typeof rule === "string");
      if (typeof fault === "string") return fault;
      at.rules = rules as Rule[];
      return null;
    }
    case "replaceTargets":
      at.targets = (instruction.targets as Record<string, unknown>[]).map(({ variationId, values, contextKind }) => ({
        variation: indexOf(variationId),
        values,
        contextKind,
      }));
      at.contextTargets = [];
      return null;
    default:
      return `invalid instruction: unknown kind '${instruction.kind}'`;
  }
}
