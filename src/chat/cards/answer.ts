import type { Answer, Chart, InvestigationStep } from "../../domain/investigation.ts";
import { cleaned } from "../../domain/untrusted.ts";
import { pictureKey, pictureOfChart } from "../../flows/picture.ts";
import type { KeptPicture } from "../../flows/ports.ts";
import type { Card, CardBlock } from "../card.ts";
import { plainText } from "../markdown.ts";
import { clip } from "../text.ts";
import { evidenceLines, hypothesisLines, mindLine } from "./parts.ts";

const LONGEST = 12_000;

/** An answer in its thread, with the evidence it rests on. `messageId` is the question's. */
export function answerCard(messageId: string, answer: Answer): Card {
  const { evidence, report, chart } = answer;
  const text = cleaned(answer.text);
  return {
    kind: "answer",
    id: null,
    subject: `answer:${messageId}`,
    tone: "quiet",
    badge: "",
    title: "",
    story: clip(plainText(text).replace(/\s+/g, " "), 200),
    body: [
      { type: "text", markdown: clip(text, LONGEST) },
      ...(chart ? [chartBlock(messageId, chart)] : []),
      ...(report && report.hypotheses.length > 0
        ? [{ type: "hypotheses" as const, items: hypothesisLines(report.hypotheses) }]
        : []),
    ],
    folds:
      evidence.length > 0
        ? [
            {
              id: "evidence",
              title: `Evidence, ${evidence.length} item${evidence.length > 1 ? "s" : ""}`,
              open: false,
              blocks: [{ type: "evidence", items: evidenceLines(evidence, null) }],
            },
          ]
        : [],
    buttons: [],
    feedback: null,
    context: mindLine(answer.mind, answer.cost),
  };
}

const chartBlock = (messageId: string, chart: Chart): CardBlock =>
  pictureBlock({ key: pictureKey(messageId), picture: pictureOfChart(chart) });

function pictureBlock({ key, picture }: KeptPicture): CardBlock {
  const version = `${picture.points.length}-${picture.points.at(-1)?.at ?? 0}`;
  return { type: "picture", investigationId: key, version, picture };
}

/** The same message while tools still run. */
export function workingCard(messageId: string, steps: readonly InvestigationStep[]): Card {
  const running = steps.findLast(({ state }) => state === "running");
  return {
    ...note(""),
    subject: `answer:${messageId}`,
    kind: "answer",
    tone: "working",
    badge: "Looking",
    story: clip(running ? `${running.title}…` : "Looking…", 200),
    body: steps.length > 0 ? [{ type: "steps", steps }] : [],
  };
}

/** A plain message: a verdict, a reminder, a refusal; with a picture where one says more. */
export function note(text: string, tone: Card["tone"] = "quiet", shown: KeptPicture | null = null): Card {
  const markdown = cleaned(text);
  return {
    kind: "note",
    id: null,
    subject: "",
    tone,
    badge: "",
    title: "",
    story: clip(plainText(markdown).replace(/\s+/g, " "), 200),
    body: [
      ...(markdown ? [{ type: "text" as const, markdown: clip(markdown, LONGEST) }] : []),
      ...(shown ? [pictureBlock(shown)] : []),
    ],
    folds: [],
    buttons: [],
    feedback: null,
    context: [],
  };
}
