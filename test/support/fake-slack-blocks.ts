/**
 * Judges messages and views as Slack does, by the limits of its Block Kit reference (`@slack/types` 3.2 carries them in its comments).
 * Returns what is wrong, one line each, with the path; an empty list means valid.
 */
type Json = Record<string, unknown>;

const points = (text: unknown): number => (typeof text === "string" ? [...text].length : Number.NaN);
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

class Judge {
  readonly wrong: string[] = [];

  text(path: string, value: unknown, longest: number, kinds: readonly string[], shortest = 1): void {
    if (!isObject(value)) return void this.wrong.push(`${path}: no text object`);
    if (!kinds.includes(String(value.type))) this.wrong.push(`${path}: type ${String(value.type)} not allowed here`);
    const length = points(value.text);
    if (!(length >= shortest && length <= longest))
      this.wrong.push(`${path}: ${length} characters, allowed ${shortest} to ${longest}`);
    if (typeof value.text === "string" && hasLoneSurrogate(value.text)) this.wrong.push(`${path}: cut through a character`);
    if ("verbatim" in value && value.type !== "mrkdwn") this.wrong.push(`${path}: verbatim belongs to mrkdwn only`);
    if ("emoji" in value && value.type !== "plain_text") this.wrong.push(`${path}: emoji belongs to plain_text only`);
  }

  string(path: string, value: unknown, longest: number, required = true): void {
    if (value === undefined && !required) return;
    const length = points(value);
    if (!(length >= 1 && length <= longest)) this.wrong.push(`${path}: ${length} characters, allowed 1 to ${longest}`);
  }

  list(path: string, value: unknown, most: number, each: (path: string, item: Json) => void, fewest = 1): void {
    if (!Array.isArray(value) || value.length < fewest || value.length > most)
      return void this.wrong.push(`${path}: ${Array.isArray(value) ? value.length : "no list"}, allowed ${fewest} to ${most}`);
    value.forEach((item, index) => {
      if (isObject(item)) each(`${path}[${index}]`, item);
      else this.wrong.push(`${path}[${index}]: no object`);
    });
  }

  only(path: string, value: Json, allowed: readonly string[]): void {
    for (const key of Object.keys(value)) if (!allowed.includes(key)) this.wrong.push(`${path}: unknown field ${key}`);
  }
}

function hasLoneSurrogate(text: string): boolean {
  return /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

const MESSAGE_BLOCKS = [
  "section",
  "header",
  "divider",
  "context",
  "actions",
  "image",
  "markdown",
  "rich_text",
  "context_actions",
  "plan",
  "task_card",
];
const VIEW_BLOCKS = ["section", "header", "divider", "context", "actions", "image", "rich_text", "input"];

export function judgeBlocks(blocks: unknown, surface: "message" | "view"): string[] {
  const judge = new Judge();
  const ids = new Set<string>();
  judge.list("blocks", blocks, surface === "message" ? 50 : 100, (path, block) => {
    const type = String(block.type);
    if (!(surface === "message" ? MESSAGE_BLOCKS : VIEW_BLOCKS).includes(type)) {
      return void judge.wrong.push(`${path}: no block of type ${type} in a ${surface}`);
    }
    judge.string(`${path}.block_id`, block.block_id, 255, false);
    if (typeof block.block_id === "string") {
      if (ids.has(block.block_id)) judge.wrong.push(`${path}.block_id: ${block.block_id} occurs twice`);
      ids.add(block.block_id);
    }
    judgeBlock(judge, path, type, block);
  });
  if (Array.isArray(blocks)) {
    const kinds = blocks.map((block) => (isObject(block) ? block.type : null));
    if (kinds.includes("plan") && kinds.includes("task_card")) judge.wrong.push("blocks: plan and task_card exclude each other");
    const all = blocks
      .filter((block) => isObject(block) && block.type === "markdown")
      .reduce((sum, block) => sum + points(block.text), 0);
    if (all > 12_000) judge.wrong.push(`blocks: ${all} characters of markdown, allowed 12000`);
  }
  return judge.wrong;
}

function judgeBlock(judge: Judge, path: string, type: string, block: Json): void {
  switch (type) {
    case "section":
      judge.only(path, block, ["type", "block_id", "text", "fields", "accessory", "expand"]);
      if (block.text === undefined && block.fields === undefined) judge.wrong.push(`${path}: neither text nor fields`);
      if (block.text !== undefined) judge.text(`${path}.text`, block.text, 3_000, ["mrkdwn", "plain_text"]);
      if (block.fields !== undefined)
        judge.list(`${path}.fields`, block.fields, 10, (at, field) => judge.text(at, field, 2_000, ["mrkdwn", "plain_text"]));
      if (isObject(block.accessory)) judgeElement(judge, `${path}.accessory`, block.accessory);
      break;
    case "header":
      judge.only(path, block, ["type", "block_id", "text", "level"]);
      judge.text(`${path}.text`, block.text, 150, ["plain_text"]);
      break;
    case "divider":
      judge.only(path, block, ["type", "block_id"]);
      break;
    case "context":
      judge.only(path, block, ["type", "block_id", "elements"]);
      judge.list(`${path}.elements`, block.elements, 10, (at, element) => {
        if (element.type !== "image") judge.text(at, element, 2_000, ["mrkdwn", "plain_text"]);
      });
      break;
    case "actions":
      judge.only(path, block, ["type", "block_id", "elements"]);
      judge.list(`${path}.elements`, block.elements, 25, (at, element) => judgeElement(judge, at, element));
      break;
    case "context_actions":
      judge.only(path, block, ["type", "block_id", "elements"]);
      judge.list(`${path}.elements`, block.elements, 5, (at, element) => {
        if (!["feedback_buttons", "icon_button"].includes(String(element.type)))
          judge.wrong.push(`${at}: ${String(element.type)} not allowed`);
        judgeElement(judge, at, element);
      });
      break;
    case "markdown":
      judge.only(path, block, ["type", "block_id", "text"]);
      judge.string(`${path}.text`, block.text, 12_000);
      break;
    case "image":
      judge.only(path, block, ["type", "block_id", "image_url", "slack_file", "alt_text", "title"]);
      judge.string(`${path}.alt_text`, block.alt_text, 2_000);
      if (Boolean(block.image_url) === Boolean(block.slack_file)) judge.wrong.push(`${path}: needs image_url or slack_file`);
      if (block.title !== undefined) judge.text(`${path}.title`, block.title, 2_000, ["plain_text"]);
      break;
    case "rich_text":
      judge.list(`${path}.elements`, block.elements, 100, (at, element) => {
        const kinds = ["rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"];
        if (!kinds.includes(String(element.type))) judge.wrong.push(`${at}: ${String(element.type)} not allowed`);
      });
      break;
    case "plan":
      judge.string(`${path}.title`, block.title, 150);
      if (block.tasks !== undefined) judge.list(`${path}.tasks`, block.tasks, 50, (at, task) => judgeTask(judge, at, task));
      break;
    case "task_card":
      judgeTask(judge, path, block);
      break;
    case "input":
      judge.text(`${path}.label`, block.label, 2_000, ["plain_text"]);
      if (block.hint !== undefined) judge.text(`${path}.hint`, block.hint, 2_000, ["plain_text"]);
      if (isObject(block.element)) judgeElement(judge, `${path}.element`, block.element);
      else judge.wrong.push(`${path}.element: missing`);
  }
}

function judgeTask(judge: Judge, path: string, task: Json): void {
  judge.string(`${path}.task_id`, task.task_id, 255);
  judge.string(`${path}.title`, task.title, 300);
  if (!["pending", "in_progress", "complete", "error"].includes(String(task.status)))
    judge.wrong.push(`${path}.status: ${String(task.status)}`);
}

function judgeElement(judge: Judge, path: string, element: Json): void {
  judge.string(`${path}.action_id`, element.action_id, 255, element.type !== "image");
  if (element.confirm !== undefined) {
    const confirm = isObject(element.confirm) ? element.confirm : {};
    judge.text(`${path}.confirm.title`, confirm.title, 100, ["plain_text"]);
    judge.text(`${path}.confirm.text`, confirm.text, 300, ["plain_text", "mrkdwn"]);
    judge.text(`${path}.confirm.confirm`, confirm.confirm, 30, ["plain_text"]);
    judge.text(`${path}.confirm.deny`, confirm.deny, 30, ["plain_text"]);
  }
  switch (element.type) {
    case "button":
      judge.only(path, element, ["type", "text", "action_id", "value", "style", "confirm", "url", "accessibility_label"]);
      judge.text(`${path}.text`, element.text, 75, ["plain_text"]);
      judge.string(`${path}.value`, element.value, 2_000, false);
      judge.string(`${path}.accessibility_label`, element.accessibility_label, 75, false);
      if (element.style !== undefined && !["primary", "danger"].includes(String(element.style)))
        judge.wrong.push(`${path}.style`);
      break;
    case "feedback_buttons":
      for (const side of ["positive_button", "negative_button"]) {
        const button = isObject(element[side]) ? (element[side] as Json) : {};
        judge.text(`${path}.${side}.text`, button.text, 75, ["plain_text"]);
        judge.string(`${path}.${side}.value`, button.value, 2_000);
        judge.string(`${path}.${side}.accessibility_label`, button.accessibility_label, 75, false);
      }
      break;
    case "plain_text_input":
      if (element.max_length !== undefined && Number(element.max_length) > 3_000) judge.wrong.push(`${path}.max_length`);
      if (element.placeholder !== undefined) judge.text(`${path}.placeholder`, element.placeholder, 150, ["plain_text"]);
      break;
    case "overflow":
    case "radio_buttons":
    case "checkboxes":
    case "static_select": {
      const most = element.type === "static_select" ? 100 : element.type === "overflow" ? 5 : 10;
      judge.list(`${path}.options`, element.options, most, (at, option) => {
        judge.text(`${at}.text`, option.text, 75, ["plain_text", "mrkdwn"]);
        judge.string(`${at}.value`, option.value, 150);
      });
      break;
    }
    case "icon_button":
      if (element.icon !== "trash") judge.wrong.push(`${path}.icon`);
      break;
    default:
      judge.wrong.push(`${path}: no element of type ${String(element.type)} known here`);
  }
}

/** Judges a modal or App Home view. */
export function judgeView(view: unknown): string[] {
  if (!isObject(view)) return ["view: no object"];
  const judge = new Judge();
  if (view.type === "modal") {
    judge.text("view.title", view.title, 24, ["plain_text"]);
    if (view.submit !== undefined) judge.text("view.submit", view.submit, 24, ["plain_text"]);
    if (view.close !== undefined) judge.text("view.close", view.close, 24, ["plain_text"]);
    const inputs = Array.isArray(view.blocks) && view.blocks.some((block) => isObject(block) && block.type === "input");
    if (inputs && view.submit === undefined) judge.wrong.push("view.submit: needed with inputs");
  } else if (view.type !== "home") judge.wrong.push(`view.type: ${String(view.type)}`);
  judge.string("view.callback_id", view.callback_id, 255, false);
  judge.string("view.private_metadata", view.private_metadata, 3_000, false);
  return [...judge.wrong, ...judgeBlocks(view.blocks, "view")];
}
