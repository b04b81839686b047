interface Waiting<Answer> {
  readonly promise: Promise<Answer | undefined>;
  readonly resolve: (answer: Answer | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers equal questions about different subjects that are asked within the same turn of the event loop, and answers them together; the
 * same question about the same subject is asked once.
 */
export class Batcher<Question extends object, Answer> {
  readonly #answer: (question: Question, subjects: readonly string[]) => Promise<ReadonlyMap<string, Answer>>;
  #open = new Map<string, { readonly question: Question; readonly subjects: Map<string, Waiting<Answer>> }>();

  constructor(answer: (question: Question, subjects: readonly string[]) => Promise<ReadonlyMap<string, Answer>>) {
    this.#answer = answer;
  }

  /** @returns undefined when the answer says nothing of this subject */
  ask(question: Question, subject: string): Promise<Answer | undefined> {
    if (this.#open.size === 0) setImmediate(() => this.#flush());
    const key = JSON.stringify(question);
    const batch = this.#open.get(key) ?? { question, subjects: new Map() };
    this.#open.set(key, batch);
    let waiting = batch.subjects.get(subject);
    if (!waiting) {
      waiting = waitingFor<Answer>();
      batch.subjects.set(subject, waiting);
    }
    return waiting.promise;
  }

  #flush(): void {
    const batches = [...this.#open.values()];
    this.#open = new Map();
    for (const { question, subjects } of batches) {
      this.#answer(question, [...subjects.keys()]).then(
        (answers) => {
          for (const [subject, { resolve }] of subjects) resolve(answers.get(subject));
        },
        (error) => {
          for (const { reject } of subjects.values()) reject(error);
        },
      );
    }
  }
}

function waitingFor<Answer>(): Waiting<Answer> {
  let resolve: Waiting<Answer>["resolve"] = () => {};
  let reject: Waiting<Answer>["reject"] = () => {};
  const promise = new Promise<Answer | undefined>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
