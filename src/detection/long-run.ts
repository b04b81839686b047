/** Samples in a batch: longer than the quick charts need, shorter than the slow ones. */
const BATCH = 20;
/** Batches that the assumption of independence counts for. */
const PRIOR = 10;
const MEMORY = 1_000;

/**
 * How much more the sums of innovations vary than independent ones would: waves slower than one sample that an AR(1) model does not see.
 * Variance of non-overlapping batch means (Conway 1963; Alexopoulos and Goldsman 2004). 1 when innovations are independent; never below.
 */
export class LongRunScale {
  private sum = 0;
  private size = 0;
  private batches = 0;
  private squares = 0;

  add(innovation: number): void {
    this.sum += innovation;
    this.size++;
    if (this.size < BATCH) return;
    if (this.batches >= MEMORY) {
      this.squares *= 1 - 1 / MEMORY;
      this.batches *= 1 - 1 / MEMORY;
    }
    this.squares += Math.min(16, (this.sum * this.sum) / BATCH);
    this.batches++;
    this.sum = 0;
    this.size = 0;
  }

  /** Factor on the standard deviation, at least 1. */
  scale(): number {
    return Math.sqrt(Math.max(1, (this.squares + PRIOR) / (this.batches + PRIOR)));
  }

  reset(): void {
    this.load([]);
  }

  save(): number[] {
    return [this.sum, this.size, this.batches, this.squares];
  }

  load([sum = 0, size = 0, batches = 0, squares = 0]: readonly number[]): void {
    this.sum = sum;
    this.size = size;
    this.batches = batches;
    this.squares = squares;
  }
}
