import type { Focus } from "../../domain/investigation.ts";
import type { ChangeEvent, ServiceName } from "../../domain/telemetry.ts";
import { HOUR, MINUTE } from "../../domain/time.ts";
import { findingsOf } from "../findings.ts";
import { flagContrast, isClearing, isTelling, versionContrast } from "../statistics/contrast.ts";
import { span } from "../time-words.ts";
import { describeChange } from "../tools/list-changes.ts";
import { percent } from "../words.ts";
import { type Facts, ONSET_SLACK, type Reason, type Suspect, suspect } from "./suspect.ts";

/** A change as the cause: when it came, what it touches, what requests that met it show, what is logged, and what a test says. */
export function suspectChange(change: ChangeEvent, focus: Focus, facts: Facts): Suspect {
  const service = blamedService(change, focus, facts);
  const cause = change.kind === "flag" ? "flag" : change.kind === "deploy" ? "deploy" : "config";
  const reasons = [timing(change, focus, facts), ...relation(change, focus, facts)];
  // How fast requests were, and what a test did to them, is no reason why data stops.
  if (!focus.silent) {
    reasons.push(...(cause === "flag" ? flagSpans(change, facts) : cause === "deploy" ? versionSpans(change, facts) : []));
    reasons.push(...tested(change, facts));
  }
  reasons.push(...logs(change, facts));
  return suspect(
    `${describeChange(change)} ${focus.silent ? "stops" : "slows or breaks"} ${service ?? focus.service ?? "it"}`,
    cause,
    service,
    change,
    reasons,
  );
}

function blamedService(change: ChangeEvent, focus: Focus, facts: Facts): ServiceName | null {
  if (facts.mover && change.services.includes(facts.mover.service)) return facts.mover.service;
  if (focus.service && change.services.includes(focus.service)) return focus.service;
  return change.services[0] ?? facts.mover?.service ?? focus.service;
}

function timing(change: ChangeEvent, focus: Focus, facts: Facts): Reason {
  const lead = focus.onset - change.at;
  const evidence = facts.changesId;
  if (lead < -ONSET_SLACK) return { words: `came ${span(lead)} after the trouble began`, weight: -4, evidence, tests: "timing" };
  const words = lead >= 0 ? `came ${span(lead)} before the trouble began` : "came with the beginning of the trouble";
  if (lead <= 20 * MINUTE) return { words, weight: 2, evidence, tests: "timing" };
  // What keeps a service from sending shows at once.
  if (focus.silent) return { words, weight: -2.5, evidence, tests: "timing" };
  if (lead <= 2 * HOUR) return { words, weight: 0.8, evidence, tests: "timing" };
  // A new version shows at once what it does; a flag or a setting may wait for the requests that meet it.
  const patient = change.kind !== "deploy";
  if (lead <= 8 * HOUR) return { words, weight: patient ? 0.2 : -0.7, evidence, tests: "timing" };
  return { words, weight: patient ? -0.7 : -2.5, evidence, tests: "timing" };
}

function relation(change: ChangeEvent, focus: Focus, facts: Facts): Reason[] {
  if (change.services.length === 0) return [];
  const evidence = facts.related?.id ?? facts.changesId;
  const touches = (names: ReadonlySet<ServiceName>) => change.services.some((one) => names.has(one));
  const reasons: Reason[] = [];
  if (focus.service && change.services.includes(focus.service))
    reasons.push({ words: `touches ${focus.service}`, weight: 1, evidence });
  else if (facts.related && touches(facts.related.near))
    reasons.push({ words: `touches something ${focus.service} calls`, weight: 0.6, evidence });
  else if (facts.related && touches(facts.related.up))
    reasons.push({ words: `touches only callers of ${focus.service}`, weight: -1, evidence });
  else if (facts.related) reasons.push({ words: `touches nothing that ${focus.service} depends on`, weight: -3, evidence });
  if (facts.mover) {
    const hit = change.services.includes(facts.mover.service);
    reasons.push(
      hit
        ? { words: `touches the first mover, ${facts.mover.service}`, weight: 1.2, evidence: facts.mover.id }
        : { words: `the trouble starts elsewhere, in ${facts.mover.service}`, weight: -1.5, evidence: facts.mover.id },
    );
  }
  return reasons;
}

function flagSpans(change: ChangeEvent, facts: Facts): Reason[] {
  for (const { evidence, details } of findingsOf(facts.findings, "traces")) {
    const found = flagContrast(details.contrasts, change.subject);
    if (!found) continue;
    const strong = details.contrasts.filter(({ key, value }) => key === found.key && value !== found.value).concat(found);
    const worst = strong.find(isTelling);
    if (worst) {
      const effect = worst.failing >= 0.01 ? `fail ${percent(worst.failing)} points more` : `take ${percent(worst.slower)}`;
      // Flags that merely go along with the real one show a weaker contrast than it.
      const strongest = Math.max(...details.contrasts.filter(isTelling).map(({ z }) => z));
      const weight = worst.z >= strongest / 2 ? 4 : 0.5;
      return [
        {
          words: `requests at variant ${worst.value} ${effect} in the same minutes`,
          weight,
          evidence: evidence.id,
          tests: "requests",
        },
      ];
    }
    if (strong.every(isClearing))
      return [{ words: "requests with and without it are equally fast", weight: -3.5, evidence: evidence.id, tests: "requests" }];
  }
  return [];
}

function versionSpans(change: ChangeEvent, facts: Facts): Reason[] {
  for (const { evidence, details } of findingsOf(facts.findings, "traces")) {
    if (!change.services.includes(details.service) && details.service !== change.subject) continue;
    const found = versionContrast(details.contrasts, change.after);
    if (!found) continue;
    if (isTelling(found)) {
      return [
        {
          words: `requests on the new version take ${percent(found.slower)} in the same minutes`,
          weight: 4,
          evidence: evidence.id,
          tests: "requests",
        },
      ];
    }
    if (isClearing(found))
      return [{ words: "the new version is as fast as the old one", weight: -3, evidence: evidence.id, tests: "requests" }];
  }
  return [];
}

function logs(change: ChangeEvent, facts: Facts): Reason[] {
  const all = findingsOf(facts.findings, "logs").filter(({ details }) => change.services.includes(details.service));
  const named = all.find(({ details }) =>
    details.fresh.some(
      (one) => !one.suspicious && one.template.toLowerCase().includes(change.subject.toLowerCase()) && change.kind === "flag",
    ),
  );
  if (named) return [{ words: "new log lines name it", weight: 1, evidence: named.evidence.id }];
  const grave = all.find(({ details }) =>
    details.fresh.some((one) => !one.suspicious && one.before === 0 && /WARN|ERROR|FATAL/.test(one.severity)),
  );
  return grave
    ? [{ words: "a service it touches logs new warnings or errors", weight: 0.5, evidence: grave.evidence.id, tests: "logs" }]
    : [];
}

/** An experiment outweighs whatever was merely observed. */
function tested(change: ChangeEvent, facts: Facts): Reason[] {
  const test = findingsOf(facts.findings, "causal").find(({ details }) => details.flag === change.subject && details.result);
  const result = test?.details.result;
  if (!test || !result) return [];
  if (result.verdict === "causal") {
    return [
      {
        words: `switching it off for test traffic changed ${result.signal} by ${percent(result.effect)}`,
        weight: 5,
        evidence: test.evidence.id,
        tests: "experiment",
      },
    ];
  }
  if (result.verdict === "not_causal")
    return [
      { words: "switching it off for test traffic changed nothing", weight: -8, evidence: test.evidence.id, tests: "experiment" },
    ];
  return [{ words: "the causal test could not tell", weight: -0.3, evidence: test.evidence.id }];
}
