/** Finds what would come to life on a surface: mentions, pings, links, pictures. Each returns what it found, with its path. */

type Found = readonly string[];

/** Characters that change what people see without being seen. */
export const INVISIBLE_TO_PEOPLE = /[\u200B-\u200D\u202A-\u202E\u2066-\u2069\u00AD\u{E0000}-\u{E007F}]/u;

function walk(value: unknown, visit: (object: Record<string, unknown>, path: string) => Found, path = ""): Found {
  if (Array.isArray(value)) return value.flatMap((one, index) => walk(one, visit, `${path}/${index}`));
  if (typeof value !== "object" || value === null) return [];
  const object = value as Record<string, unknown>;
  return [...visit(object, path), ...Object.entries(object).flatMap(([key, inner]) => walk(inner, visit, `${path}/${key}`))];
}

const has = (object: Record<string, unknown>, key: string, path: string): Found =>
  object[key] === undefined ? [] : [`${path}/${key}`];

/** Slack: in mrkdwn only `<…>` makes mentions, pings and links, unless it may find them by itself (`verbatim` false); blocks can be pictures or links. */
export const liveIn = (message: unknown): Found =>
  walk(message, (object, path) => [
    ...has(object, "url", path),
    ...has(object, "image_url", path),
    ...(object.type === "mrkdwn" && (/[<>]/.test(String(object.text)) || object.verbatim !== true)
      ? [`${path}: ${object.text}`]
      : []),
    ...("blocks" in object && /[<>]/.test(String(object.text ?? "")) ? [`${path}/text`] : []),
    ...(["image", "rich_text", "markdown", "video"].includes(String(object.type)) ? [`${path}: ${object.type}`] : []),
  ]);

/** Teams: only a TextBlock is parsed as Markdown; an address is live unless broken; entities make mentions. */
export const liveInAdaptiveCard = (card: unknown): Found =>
  walk(card, (object, path) => [
    ...has(object, "url", path),
    ...has(object, "entities", path),
    ...(object.type === "TextBlock" && /[[\]<>*_`]|:\/\/|www\./i.test(String(object.text)) ? [`${path}: ${object.text}`] : []),
    ...(object.type === "TextRun" && /:\/\/|\bwww\./i.test(String(object.text)) ? [`${path}: ${object.text}`] : []),
    ...(["Image", "Media", "Action.OpenUrl"].includes(String(object.type)) ? [`${path}: ${object.type}`] : []),
  ]);

const INLINE = new Set(["text", "bold", "italic", "code", "cite"]);

/** The page builds elements from parsed parts and makes text nodes of all text: live is a part of another kind, or an address. */
export const liveOnPage = (message: unknown): Found =>
  walk(message, (object, path) => [
    ...has(object, "href", path),
    ...has(object, "src", path),
    ...(typeof object.link === "string" ? [`${path}/link: ${object.link}`] : []),
    ...(/\/(?:lines|items)\/\d+\/\d+$/.test(path) && !INLINE.has(String(object.type)) ? [`${path}: ${object.type}`] : []),
    ...(object.type === "cite" && !/^E\d+$/.test(String(object.id)) ? [`${path}: ${object.id}`] : []),
  ]);
