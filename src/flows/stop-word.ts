/** Words around a stop that say nothing else. */
const ADDRESS = String.raw`(?:(?:please|vigil|@vigil|hey|no|ok|just|now)[\s,!.:]*)*`;
const ALL = String.raw`(?:[\s,]+(?:it|that|this|now|everything|all|vigil|please|immediately|right now|right away|(?:all )?actions?|all of (?:it|this|that)|what you(?:'re|’re| are) doing))*`;
const STOP = new RegExp(
  String.raw`^${ADDRESS}(?:stop|halt|abort|(?:hit |press |pull )?(?:the )?(?:kill ?switch|emergency stop))(?:[\s,!.]+(?:stop|halt|abort))*${ALL}(?:[\s!.]*$|\s*(?:[:!–—]|\s-)+\s*(?=\S)|(?<=everything|all|actions)\s*[,;.]\s*(?=\S)|\s+(?=because\b|since\b|as we\b))`,
  "i",
);

/**
 * The reason of a message that is nothing but a stop, as a frightened person types it on any surface: `stop`, `Vigil, stop everything!`,
 * `stop: the database is burning`. Empty where none is given; null for every other message. Stopping is the safe direction, so it needs no
 * slash; but the word within a sentence (`stop guessing`, `did it stop?`) does nothing.
 */
export function stopIn(text: string): string | null {
  const said = text.trim();
  const [matched] = STOP.exec(said) ?? [];
  if (matched === undefined) return null;
  const reason = said.slice(matched.length).trim();
  // A question is one, whatever it begins with.
  return reason.endsWith("?") ? null : reason;
}
