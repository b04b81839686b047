import type { Feedback } from "../domain/feedback.ts";
import type { CauseKind, Investigation } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { type EpochMs, MINUTE } from "../domain/time.ts";
import { calibrationWeight, calibrator, type HeardClaim } from "./calibration.ts";
import { type Blame, heardCause, heardIncident, kindsOf } from "./claims.ts";
import { guarded } from "./guard.ts";
import type { Influence, Undo } from "./influence.ts";
import { type Judgement, judge } from "./judgement.ts";
import { type LearnedDocument, learnedDocument, lesson } from "./lessons.ts";
import { CAUSES, PRIOR_BOUNDS, priorOf } from "./priors.ts";
import { boostOf, quotedDocuments, RANKING_BOUNDS } from "./ranking.ts";
import {
  claimsOf,
  ENOUGH_VERDICTS,
  type HeardIncident,
  kindsOfIncident,
  likeIt,
  REAL_BOUNDS,
  type RealChance,
  realChance,
} from "./realness.ts";
import {
  type Course,
  courseName,
  isOfCourse,
  NO_PATIENCE,
  type Patience,
  THRESHOLD_BOUNDS,
  unlikeNoise,
  waitOf,
} from "./thresholds.ts";
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
/** A kind of cause that is told so much otherwise at one service is worth naming; the furthest apart first. */
const PLACE_APART = 0.05;
const PLACES_SHOWN = 5;

/**
 * Everything that feedback has taught: a pure function of the records, so that nothing of it can be lost, and taking a record away takes away
 * what it taught. Each influence is bounded, whoever votes; see `guarded`.
 */
export class Learned {
  readonly trust: Trust;
  readonly judgements: readonly Judgement[];
  readonly lessons: readonly { readonly id: string; readonly confirmed: boolean; readonly text: string }[];
  readonly documents: readonly LearnedDocument[];
  readonly calibrate: (raw: number, of: Blame) => number;
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

  /** How long people are spared an anomaly of this course, in case it heals as what was noise before. */
  patience(course: Course, now: EpochMs): Learnt<Patience> {
    const id = thresholdId(course);
    const about = ({ investigation }: Judgement) => investigation.anomalies.some((anomaly) => isOfCourse(course, anomaly));
    const { value, because } = this.#guarded(id, about, THRESHOLD_BOUNDS, (them) => waitOf(them, course, now));
    if (value < MINUTE) return { value: NO_PATIENCE, because: [] };
    const counted = this.judgements.filter((one) => about(one) && this.#counts(id, one));
    return { value: { wait: value, unless: unlikeNoise(counted, course) }, because };
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

  /** How likely incidents of these anomalies are real, by what came of the like of them; null before enough was judged. */
  realChance(courses: readonly Course[], now: EpochMs): RealChance | null {
    const of = (without: string | null) =>
      this.#judge(without)
        .filter((one) => this.#counts("calibration/real", one))
        .map((one) => heardIncident(one, this.#votesOf(one, without), this.trust));
    const heard = of(null);
    if (heard.length < ENOUGH_VERDICTS || courses.length === 0) return null;
    const kinds = kindsOfIncident(courses);
    const chance = (them: readonly HeardIncident[]) => calibrator(claimsOf(them, now))(realChance(them, courses, now), kinds);
    const guardedChance = guarded(this.#voters, (without) => chance(of(without)) - REAL_BOUNDS.most, REAL_BOUNDS);
    return { chance: guardedChance + REAL_BOUNDS.most, raw: realChance(heard, courses, now), kinds, ...likeIt(heard, courses) };
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
    const courses = new Map<string, Course>(
      this.judgements.flatMap(({ investigation }) => investigation.anomalies.map((one) => [courseName(one), one] as const)),
    );
    for (const [name, course] of courses) {
      const { value, because } = this.patience(course, now);
      if (value.wait === 0) continue;
      const effect = `is kept back for ${(value.wait / MINUTE).toFixed(0)} min in case it heals, unless it exceeds ${(100 * value.unless).toFixed(0)} %`;
      add("threshold", name, effect, because);
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
    const judged = this.#causes(null).length;
    if (judged > 0) {
      add("calibration", "", `confidence is told by what is blamed: ${this.#calibrationWords()}`, [`${judged} judged causes`]);
    }
    const incidents = this.judgements.filter((one) => this.#counts("calibration/real", one));
    if (incidents.length >= ENOUGH_VERDICTS) {
      const noise = incidents.filter(({ verdict }) => verdict === "noise").length;
      add("calibration", "real", `${noise} of ${incidents.length} were noise, and the like of them is said to be so`, [
        ...incidents.map(({ investigation }) => investigation.id),
      ]);
    }
    return found;
  }

  /** What was said of causes, with the newest counting most; by everybody, or by everybody but one. */
  #causes(without: string | null): HeardClaim[] {
    const counted = this.#judge(without).filter((one) => this.#counts("calibration", one));
    const last = Math.max(...counted.map(({ at }) => at));
    return counted.flatMap((one) => {
      const claim = heardCause(one, this.#votesOf(one, without), this.trust);
      return claim ? [{ ...claim, weight: calibrationWeight(last - one.at) }] : [];
    });
  }

  #calibration(): (raw: number, of: Blame) => number {
    const all = calibrator(this.#causes(null));
    const rest = [...this.#voters].map((voter) => calibrator(this.#causes(voter)));
    return (raw, of) => {
      const kinds = kindsOf(of);
      const within = rest.map((curve) => curve(raw, kinds));
      const low = Math.max(...within.map((value) => value - CALIBRATION_ALONE));
      const high = Math.min(...within.map((value) => value + CALIBRATION_ALONE));
      return within.length === 0 ? all(raw) : low > high ? (low + high) / 2 : Math.max(low, Math.min(high, all(raw, kinds)));
    };
  }

  /** How each kind of cause is told, and the services at which it is told otherwise. */
  #calibrationWords(): string {
    const blamed = this.judgements.flatMap(({ report }): Blame[] => report.hypotheses.slice(0, 1));
    const anywhere = ({ cause, changeId }: Blame): Blame => ({ cause, changeId, service: null });
    const distinct = (some: readonly Blame[]) => [...new Map(some.map((one) => [kindsOf(one).join(), one])).values()];
    const own = (one: Blame) => Math.abs(this.calibrate(0.5, one) - this.calibrate(0.5, anywhere(one)));
    const places = distinct(blamed)
      .filter((one) => one.service !== null && own(one) >= PLACE_APART)
      .sort((a, b) => own(b) - own(a));
    const shown = [...distinct(blamed.map(anywhere)), ...places.slice(0, PLACES_SHOWN)].map((one) => {
      const told = [0.5, 0.9].map((raw) => `${raw} as ${this.calibrate(raw, one).toFixed(2)}`);
      return `${one.cause}${one.service === null ? "" : ` at ${one.service}`}: ${told.join(", ")}`;
    });
    return [...shown, ...(places.length > PLACES_SHOWN ? [`and so on at ${places.length - PLACES_SHOWN} more`] : [])].join("; ");
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

  #votesOf({ investigation }: Judgement, without: string | null = null): readonly Feedback[] {
    const votes = this.#votes.get(investigation.id) ?? [];
    return without === null ? votes : votes.filter(({ user }) => user !== without);
  }

  /** Whether a judgement is later than the undoing of an influence. */
  #counts(influence: string, { at }: Judgement): boolean {
    return at > (this.#undoneAt.get(influence) ?? Number.NEGATIVE_INFINITY);
  }
}

const thresholdId = (course: Course): string => `threshold/${courseName(course)}`;

/** `4 of 5 runs helped`. */
export const recordWords = ({ runs, helped }: TrackRecord): string =>
  `${Number.isInteger(helped) ? helped : helped.toFixed(1)} of ${runs} runs helped`;
