import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take over half a minute on a quiet machine, longest first. Most of it they wait for the demo's clock, and others compute meanwhile. */
const LONG = ["story", "renamed", "undo", "slack-story", "replicas", "both-story", "interrupted", "stack"].map(
  (name) => `/test/e2e/${name}.test.ts`,
);

/** Begins with the files that would otherwise be waited for at the end of the run. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((one) => moduleId.endsWith(one));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((one, other) => place(one) - place(other));
  }
}
