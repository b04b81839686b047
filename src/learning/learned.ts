import type { Feedback } from "../domain/feedback.ts";
import type { CauseKind, Investigation } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { RedSignal, ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";
import { calibrator, type JudgedClaim } from "./calibration.ts";
import { correctness } from "./consensus.ts";
import { guarded } from "./guard.ts";
import type { Influence, Undo } from "./influence.ts";
import { type Judgement, judge } from "./judgement.ts";
import { type LearnedDocument, learnedDocument, lesson } from "./lessons.ts";
import { CAUSES, PRIOR_BOUNDS, priorOf } from "./priors.ts";
import { boostOf, quotedDocuments, RANKING_BOUNDS } from "./ranking.ts";
import { strictnessOf, THRESHOLD_BOUNDS } from "./thresholds.ts";
import { servicesTouched, type TrackRecord, trackRecord } from "./track-record.ts";
import { byInvestigation, type Trust, trustOf } from "./trust.ts";

export interface LearningRecords {
  readonly investigations: readonly Investigation[];
  readonly feedback: readonly Feedback[];
  readonly proposals: readonly Proposal[];
  readonly undone: readonly Undo[];
}

/** A learned quantity with the investigations behind it. */
export interface Learnt<T> {
  readonly value: T;
  readonly because: readonly string[];
}

const NOTHING: Learnt<number> = { value: 0, because: [] };
/** One voter moves a calibrated confidence by no more than this. */
const CALIBRATION_ALONE = 0.1;

/**
 * Everything that feedback has taught: a pure function of the records, so that nothing of it can be lost, and taking a record away takes away
 * what it taught. Each influence is bounded, whoever votes; see `guarded`.
 */
export class Learned {
  readonly trust: Trust;
  readonly judgements: readonly Judgement[];
  readonly lessons: readonly { readonly id: string; readonly confirmed: boolean; readonly text: string }[];
  readonly documents: readonly LearnedDocument[];
  readonly calibrate: (raw: number) => number;
  readonly #records: LearningRecords;
  readonly #votes: ReadonlyMap<string, readonly Feedback[]>;
  readonly #voters: ReadonlySet<string>;
  readonly #without = new Map<string, readonly Judgement[]>();
  readonly #undoneAt: ReadonlyMap<string, EpochMs>;

  constructor(records: LearningRecords) {
    const ignored = (scope: Undo["scope"]) =>
      new Set(records.undone.filter((one) => one.scope === scope).map(({ target }) => target));
    const [investigations, voters] = [ignored("investigation"), ignored("voter")];
    const feedback = records.feedback.filter((vote) => !investigations.has(vote.investigationId) && !voters.has(vote.user));
    this.#records = { ...records, feedback };
    this.#undoneAt = new Map(records.undone.filter(({ scope }) => scope === "influence").map(({ target, at }) => [target, at]));
    this.trust = trustOf(feedback);
    this.#votes = byInvestigation(feedback);
    this.#voters = new Set(feedback.map(({ user }) => user));
    this.judgements = this.#judge(null);
    this.lessons = this.judgements
      .filter((one) => this.#counts(`lesson/${one.investigation.id}`, one))
      .map((one) => ({
        id: one.investigation.id,
        confirmed: one.verdict === "correct",
        text: lesson(one, this.#votesOf(one), this.trust),
      }));
    this.documents = this.judgements
      .filter((one) => this.#counts(`document/${one.investigation.id}`, one))
      .flatMap((one) => learnedDocument(one, this.#votesOf(one), this.trust) ?? []);
    this.calibrate = this.#calibration();
  }

  /** Factor of at least 1 on the evidence that an anomaly of this series must bring before people are told. */
  strictness(service: ServiceName, signal: RedSignal, now: EpochMs): Learnt<number> {
    const id = `threshold/${service}/${signal}`;
    const about = (one: Judgement) =>
      one.verdict !== "incorrect" && one.investigation.anomalies.some((anomaly) => anomaly.service === service);
    const log = this.#guarded(id, about, THRESHOLD_BOUNDS, (them) => strictnessOf(them, service, signal, now));
    return { value: Math.exp(Math.max(0, log.value)), because: log.value > 0.01 ? log.because : [] };
  }

  /** Share of its score, within ±0.3, by which a document moves for a symptom of these services. */
  boost(documentId: string, services: readonly ServiceName[]): Learnt<number> {
    const about = ({ report }: Judgement) => quotedDocuments(report).includes(documentId);
    return this.#guarded(`ranking/${documentId}`, about, RANKING_BOUNDS, (them) => boostOf(them, documentId, services));
  }

  /** Nats by which a kind of cause is likelier in a service than by chance; `service` null: anywhere. */
  prior(kind: CauseKind, service: ServiceName | null, now: EpochMs): Learnt<number> {
    const known = service !== null && this.servicesWithCauses.has(service) ? service : null;
    const about = ({ cause, notCause }: Judgement) =>
      [cause, notCause].some((one) => one?.kind === kind && (known === null || one.service === known));
    const all = (one: Judgement) => one.cause !== null || one.notCause !== null;
    const learnt = this.#guarded(`prior/${known ?? "*"}`, all, PRIOR_BOUNDS, (them) => priorOf(them, kind, known, now));
    return { value: learnt.value, because: this.judgements.filter(about).map(({ investigation: { id } }) => id) };
  }

  /** How actions of this kind on these services ended; null before any ran. */
  record(action: string, services: readonly ServiceName[]): TrackRecord | null {
    const since = Math.max(0, ...services.map((service) => this.#undoneAt.get(`track-record/${action}/${service}`) ?? 0));
    const proposals = this.#records.proposals.filter(({ createdAt }) => createdAt > since);
    return trackRecord(proposals, this.#records.feedback, this.trust, action, services);
  }

  /** Services of which a cause was ever confirmed or refuted. */
  get servicesWithCauses(): ReadonlySet<ServiceName> {
    return new Set(
      this.judgements.flatMap(({ cause, notCause }) => [cause?.service, notCause?.service].filter((one) => one != null)),
    );
  }

  /** Confidence before calibration against what was found, for each judged report. */
  get claims(): readonly JudgedClaim[] {
    return claimsOf(this.judgements.filter((one) => this.#counts("calibration", one)));
  }

  /** All that is different from a Vigil that has learned nothing, for people to see and to take back. */
  influences(now: EpochMs): readonly Influence[] {
    const found: Influence[] = [];
    const add = (kind: Influence["kind"], subject: string, effect: string, because: readonly string[]) =>
      found.push({ id: subject ? `${kind}/${subject}` : kind, kind, effect, because });
    const sign = (value: number, digits: number) => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(digits)}`;
    for (const { id, title, metadata } of this.documents)
      add("document", id, `is found as a past incident: ${title}`, [`${id} (${metadata.voices} voices)`]);
    for (const { id, text } of this.lessons) add("lesson", id, `may be quoted in prompts: ${text}`, [id]);
    for (const document of new Set(this.judgements.flatMap(({ report }) => quotedDocuments(report)))) {
      const { value, because } = this.boost(document, []);
      if (Math.abs(value) >= 0.005)
        add("ranking", document, `ranks ${value > 0 ? "higher" : "lower"} by ${sign(value * 100, 0)} % of its score`, because);
    }
    const series = new Map(
      this.judgements.flatMap(({ investigation }) =>
        investigation.anomalies.map(({ service, signal }) => [`${service}/${signal}`, { service, signal }] as const),
      ),
    );
    for (const [key, { service, signal }] of series) {
      const { value, because } = this.strictness(service, signal, now);
      if (value > 1.01) add("threshold", key, `asks for ${value.toFixed(2)} times the evidence before it is told`, because);
    }
    for (const service of [...this.servicesWithCauses, null]) {
      const priors = CAUSES.map((kind) => ({ kind, ...this.prior(kind, service, now) }));
      const told = priors.filter(({ value }) => Math.abs(value) >= 0.05);
      if (told.length > 0)
        add("prior", service ?? "*", told.map(({ kind, value }) => `${kind} ${sign(value, 1)}`).join(", "), [
          ...new Set(priors.flatMap(({ because }) => because)),
        ]);
    }
    const runs = new Map(
      this.#records.proposals.flatMap((one) =>
        servicesTouched(one).map((service) => [`${one.action}/${service}`, { action: one.action, service }] as const),
      ),
    );
    for (const [key, { action, service }] of runs) {
      const record = this.record(action, [service]);
      if (record && record.points !== 0)
        add("track-record", key, `${recordWords(record)}: ${sign(record.points, 0)} on the risk score`, record.because);
    }
    const { claims } = this;
    if (claims.length > 0) {
      const shown = [0.5, 0.7, 0.9].map((raw) => `${raw} is told as ${this.calibrate(raw).toFixed(2)}`);
      add("calibration", "", shown.join(", "), [`${claims.length} judged reports`]);
    }
    return found;
  }

  #calibration(): (raw: number) => number {
    const counted = (them: readonly Judgement[]) => calibrator(claimsOf(them.filter((one) => this.#counts("calibration", one))));
    const all = counted(this.judgements);
    const rest = [...this.#voters].map((voter) => counted(this.#judge(voter)));
    return (raw) => {
      const within = rest.map((curve) => curve(raw));
      const low = Math.max(...within.map((value) => value - CALIBRATION_ALONE));
      const high = Math.min(...within.map((value) => value + CALIBRATION_ALONE));
      return within.length === 0 ? all(raw) : low > high ? (low + high) / 2 : Math.max(low, Math.min(high, all(raw)));
    };
  }

  #guarded(
    id: string,
    about: (one: Judgement) => boolean,
    bounds: { readonly most: number; readonly alone: number },
    value: (judgements: readonly Judgement[]) => number,
  ): Learnt<number> {
    const of = (them: readonly Judgement[]) => them.filter((one) => about(one) && this.#counts(id, one));
    const own = of(this.judgements);
    if (own.length === 0) return NOTHING;
    const voters = new Set(own.flatMap((one) => this.#votesOf(one).map(({ user }) => user)));
    const learnt = guarded(voters, (without) => value(without === null ? own : of(this.#judge(without))), bounds);
    return { value: learnt, because: own.map(({ investigation: { id: from } }) => from) };
  }

  /** Judgements in order of time, by everybody or by everybody but one. */
  #judge(without: string | null): readonly Judgement[] {
    const key = without ?? "";
    const known = this.#without.get(key);
    if (known) return known;
    const base = without === null ? null : new Map(this.judgements.map((one) => [one.investigation.id, one]));
    const judged = this.#records.investigations.flatMap((investigation) => {
      const votes = this.#votes.get(investigation.id);
      if (!votes || investigation.state === "running") return [];
      if (base && !votes.some(({ user }) => user === without)) return base.get(investigation.id) ?? [];
      return judge(investigation, without === null ? votes : votes.filter(({ user }) => user !== without), this.trust) ?? [];
    });
    const sorted = judged.sort((a, b) => a.at - b.at);
    this.#without.set(key, sorted);
    return sorted;
  }

  #votesOf({ investigation }: Judgement): readonly Feedback[] {
    return this.#votes.get(investigation.id) ?? [];
  }

  /** Whether a judgement is later than the undoing of an influence. */
  #counts(influence: string, { at }: Judgement): boolean {
    return at > (this.#undoneAt.get(influence) ?? Number.NEGATIVE_INFINITY);
  }
}

/** Where Vigil said that it does not know, its leading guess is a claim once the cause is known. */
const claimsOf = (judgements: readonly Judgement[]): JudgedClaim[] =>
  judgements.flatMap(({ report, verdict, cause }) => {
    const confidence = report.rawConfidence ?? report.confidence;
    if (report.outcome === "cause_found") return { confidence, correctness: correctness(verdict) };
    const [lead] = report.hypotheses;
    if (report.outcome === "nothing_wrong" || !lead || !cause) return [];
    return { confidence, correctness: Number(lead.cause === cause.kind && lead.service === cause.service) };
  });

/** `4 of 5 runs helped`. */
export const recordWords = ({ runs, helped }: TrackRecord): string =>
  `${Number.isInteger(helped) ? helped : helped.toFixed(1)} of ${runs} runs helped`;
