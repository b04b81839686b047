/** What was set by hand. `npm run bench:rca -- --sensitivity` tells what three tenths more or less of each does. */
export interface Weights {
  /** Of a metric's move that may as well be a consequence, beside 1 for one that speaks for a cause. */
  readonly consequence: number;
  /** Of the other metrics where impact along the calls can be told. */
  readonly besideImpact: number;
  /** Of metrics where logs or traces tell. */
  readonly besideBehaviour: number;
  /** How much of a caller's failures an equally strong failing callee accounts for. */
  readonly explained: number;
  /** What is left of the blame where it takes a call or a callee that nobody sees. */
  readonly unseen: number;
  /** Quantile of what the whole system does at the time, taken from every shift. */
  readonly background: number;
  /** Least part of a slower service's own change that slower callees leave to it. */
  readonly leastOwn: number;
  /** Of waiting for a service that nothing but its network explains, and of waiting that others may explain. */
  readonly waited: number;
  readonly waitedAnyway: number;
  /** Of kinds of log lines: alarming ones that are more, and any that are missing. */
  readonly alarming: number;
  readonly missing: number;
  /** Of steps that traces no longer take, or take into error handlers. */
  readonly steps: number;
}

export const WEIGHTS: Weights = {
  consequence: 0.2,
  besideImpact: 0.02,
  besideBehaviour: 0.3,
  explained: 0.8,
  unseen: 0.5,
  background: 0.75,
  leastOwn: 0.2,
  waited: 1.5,
  waitedAnyway: 0.3,
  alarming: 1.5,
  missing: 1.5,
  steps: 1,
};
