import type { CallGraph } from "./types.ts";

/** A call graph that can be walked in both directions. */
export interface Walkable {
  readonly callees: (service: string) => ReadonlySet<string>;
  readonly callers: (service: string) => ReadonlySet<string>;
}

const NOBODY: ReadonlySet<string> = new Set();

export function walkable(graph: CallGraph | null): Walkable {
  const callees = new Map<string, Set<string>>();
  const callers = new Map<string, Set<string>>();
  for (const [caller, callee] of graph?.edges ?? []) {
    if (caller === callee) continue;
    add(callees, caller, callee);
    add(callers, callee, caller);
  }
  return {
    callees: (service) => callees.get(service) ?? NOBODY,
    callers: (service) => callers.get(service) ?? NOBODY,
  };
}

/** The service and everything that it leads to in one direction of the calls, directly or through others. */
export function reachableFrom(service: string, next: Walkable["callees"]): Set<string> {
  const reached = new Set([service]);
  for (const one of reached) for (const other of next(one)) reached.add(other);
  return reached;
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  const known = map.get(key);
  if (known) known.add(value);
  else map.set(key, new Set([value]));
}
