import { stemmer } from "stemmer";

/** English function words: they carry no subject. `not`, `no`, `out`, `over` and the like do in an incident, so they stay. */
const STOP = new Set(
  "a an and are as at be been but by can could did do does for from had has have how i if in into is it its may of on or our should so some such that the their them then there these they this those to was we were what when where which who why will with would you your".split(
    " ",
  ),
);

/** Names made of several words as those words: `orderQueueDepth`, `http_requests_total`, `TLSHandshake`. */
export const splitNames = (text: string): string =>
  text
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .replace(/[_/.:-]+/g, " ");

/** Words of a text in their order: names split, lower case, without function words, stemmed (Porter 1980). */
export function termsOf(text: string): string[] {
  return splitNames(text)
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 1 && !STOP.has(word))
    .map((word) => stemmer(word));
}

/** Neighbouring words as one term each, `disk full`: what tells pages apart whose single words are the same. */
export const phrasesOf = (terms: readonly string[]): string[] =>
  terms.slice(1).map((term, index) => `${terms[index] ?? ""} ${term}`);
