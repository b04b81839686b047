import { phrasesOf, termsOf } from "./words.ts";

/**
 * Words and two-word phrases of operations that stand for each other: abbreviations with what they are short for, and words that people use for the
 * same observation. General vocabulary of the field, written down without looking at any set of pages. One line a group.
 */
const GROUPS = `config, configuration
db, database
auth, authentication, login, sign in
mem, memory, heap, ram
cert, certificate, tls, ssl
conn, connection, network, connectivity
err, error, fail, failure, failing, fault, broken, exception
k8s, kube, kubernetes
env, environment
sched, scheduler
ns, namespace
svc, service
util, utilization, utilisation, usage
max, maximum, maxed
min, minimum
sync, synchronization, synchronisation
fs, filesystem, file system, disk, storage, volume
hpa, pod autoscaler
pvc, volume claim
pv, persistent volume
pdb, disruption budget
oom, out of memory
crd, custom resource
dns, name resolution, resolver, lookup
wal, write ahead
gc, garbage collection, garbage collector
sts, statefulset
fd, fds, file descriptor, open files
lb, load balancer
ntp, clock, time synchronization
cpu, processor
down, unavailable, unreachable, unresponsive, offline, disappeared, absent, missing, gone
slow, latency, delay, lag
full, exhausted, exhaustion, depleted, saturated, saturation, no space, run out
crash, restart, crashloop, crash loop, terminated, killed
evict, evicted, eviction, drain
mismatch, different, differ, inconsistent, drift, diverge, skew
stuck, hang, hung, blocked, stalled, frozen, pending, waiting
throttle, throttling, limit, quota, rate limit
expire, expiry, expiration, renew, renewal, rotation
drop, discard, reject, refuse, deny, lost
high, elevated, increase, surge, spike, burst, rise
low, decrease, fall, fewer
node, host, machine, server
toggle, switch, flag, feature flag
deploy, deployment, release, rollout, upgrade, update
revert, rollback, roll back, undo, restore
credential, secret, password, token
alert, notification, page
overload, overcommit, oversubscribed
replica, instance, copy
queue, backlog
leader, election, quorum`;

/** A single word as its stem, two words as a phrase: the terms of `termsOf` and `phrasesOf`. */
const termOf = (words: string): string => {
  const terms = termsOf(words);
  return phrasesOf(terms)[0] ?? terms[0] ?? "";
};

const alternatives = new Map<string, Set<string>>();
for (const group of GROUPS.split("\n").map((line) => line.split(", ").map(termOf)))
  for (const term of group)
    alternatives.set(term, new Set([...(alternatives.get(term) ?? []), ...group.filter((other) => other !== term)]));

/** Other terms for the same thing; nothing for most terms. */
export const alternativesOf = (term: string): ReadonlySet<string> => alternatives.get(term) ?? NONE;

const NONE: ReadonlySet<string> = new Set();
