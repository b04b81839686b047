import type { Verdict } from "../domain/feedback.ts";
import type { Audience, ChatHandlers, ChatUser, DecisionReply } from "../flows/ports.ts";
import type { Lines } from "./lines.ts";
import type { ChatStore, Reaction } from "./store.ts";

/** What an emoji on one of our messages means. Names without colons. An emoji that decides must not be one that votes. */
export interface EmojiMeanings {
  readonly approve: string;
  readonly deny: string;
  /** Tiers for which an emoji decides; the policy has the last word. */
  readonly tiers: readonly string[];
  readonly verdicts: Readonly<Record<string, Verdict>>;
}

export const DEFAULT_EMOJI: EmojiMeanings = {
  approve: "white_check_mark",
  deny: "no_entry",
  tiers: ["T1", "T2"],
  verdicts: {
    "+1": "correct",
    thumbsup: "correct",
    "-1": "incorrect",
    thumbsdown: "incorrect",
    large_yellow_circle: "partly",
    mute: "noise",
  },
};

/** @throws when one emoji would both decide and vote, or approve and deny: then a thumbs-up could run an action */
export function checkEmoji(emoji: EmojiMeanings): EmojiMeanings {
  if (emoji.approve === emoji.deny)
    throw new Error(`The emoji ${emoji.approve} cannot both approve and deny; change slack.emoji so that they differ.`);
  for (const name of [emoji.approve, emoji.deny]) {
    if (Object.hasOwn(emoji.verdicts, name))
      throw new Error(`The emoji ${name} cannot both decide and vote; change slack.emoji so that they differ.`);
  }
  return emoji;
}

export interface ReactionDependencies {
  readonly surface: string;
  readonly store: ChatStore;
  readonly handlers: ChatHandlers;
  readonly emoji: EmojiMeanings;
  readonly named: (id: string) => Promise<ChatUser>;
  /** Somebody who may decide at all, or why not. */
  readonly member: (
    id: string,
  ) => Promise<{ readonly ok: true; readonly user: ChatUser } | { readonly ok: false; readonly refusal: string }>;
  readonly audience: (channel: string) => Promise<Audience>;
  /** Kept by the surface: what one person puts on a message and takes away again counts in that order. */
  readonly lines: Lines;
  readonly now: () => number;
}

/** Where one person's reactions on one message stand in line. */
export const lineOf = ({ channel, message, user }: Omit<Reaction, "emoji">): string => `${channel} ${message} ${user}`;

/**
 * Takes a reaction on a message of ours: a decision on the live card of a proposal, or a vote on an investigation. One vote a person; taking
 * the reaction away withdraws it, while a decision stands. Null when it means nothing.
 */
export function takeReaction(deps: ReactionDependencies, reaction: Reaction, present: boolean): Promise<DecisionReply | null> {
  return deps.lines.run(lineOf(reaction), () => take(deps, reaction, present));
}

async function take(deps: ReactionDependencies, reaction: Reaction, present: boolean): Promise<DecisionReply | null> {
  const { surface, store, emoji } = deps;
  const { channel, message, emoji: name } = reaction;
  const subject = await store.subjectOf(surface, { channel, message });
  if (subject?.startsWith("proposal:")) {
    if (!present || (name !== emoji.approve && name !== emoji.deny)) return null;
    return decide(deps, subject, name === emoji.approve ? "approve" : "deny", reaction);
  }
  const investigationId = subject?.startsWith("investigation:") ? subject.slice("investigation:".length) : null;
  if (!investigationId || !Object.hasOwn(emoji.verdicts, name)) return null;
  const standing = await store.react(surface, reaction, present, deps.now());
  const newest = standing.at(-1);
  return deps.handlers.feedback({
    investigationId,
    user: await deps.named(reaction.user),
    verdict: newest === undefined ? null : (emoji.verdicts[newest] ?? null),
    via: "reaction",
    audience: await deps.audience(channel),
  });
}

/** The same decision as the button, with the revision and the secret of the card that is live. */
async function decide(
  { surface, store, handlers, member }: ReactionDependencies,
  subject: string,
  verdict: "approve" | "deny",
  { channel, message, user }: Reaction,
): Promise<DecisionReply> {
  const card = await store.card(subject, surface);
  const button = card?.buttons.find(({ type }) => type === verdict);
  if (!button) return { accepted: false, text: "It is too late for that: nothing waits here any more." };
  const person = await member(user);
  if (!person.ok) {
    await handlers.refused({ kind: "refused", actor: `${surface}:${user}`, subject: button.proposalId, reason: person.refusal });
    return { accepted: false, text: person.refusal };
  }
  const { proposalId, rev, nonce } = button;
  return handlers.decide({
    proposalId,
    rev,
    nonce,
    verdict,
    reason: null,
    user: person.user,
    message: { channel, id: message },
    via: "emoji",
  });
}
