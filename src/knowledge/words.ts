import { stemmer } from "stemmer";
import { splitNames } from "./document.ts";

/** Words that carry no subject: English function words. */
const STOP = new Set(
  "a an and are as at be been but by can could did do does for from had has have how i if in into is it its may more most no not of on or our out over should so some such than that the their them then there these they this those to up was we were what when where which who why will with would you your".split(
    " ",
  ),
);

/** Words of a text as they are indexed: names split, lower case, without function words, stemmed (Porter 1980). A name is kept whole as well. */
export function termsOf(text: string): string[] {
  const whole = text.match(/[A-Za-z][A-Za-z0-9]*(?:[A-Z_][A-Za-z0-9]*)+/g) ?? [];
  const parts = splitNames(text)
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word.length > 1 && !STOP.has(word));
  return [
    ...parts.map((word) => stemmer(word)),
    ...whole.filter((name) => /[a-z][A-Z]|_/.test(name)).map((name) => name.toLowerCase()),
  ];
}
