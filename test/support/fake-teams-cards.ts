type Json = Record<string, unknown>;

const INPUTS = ["Input.Text", "Input.ChoiceSet", "Input.Toggle", "Input.Number", "Input.Date", "Input.Time"];
const ELEMENTS = ["TextBlock", "RichTextBlock", "Container", "ColumnSet", "FactSet", "Image", "ActionSet", ...INPUTS];
const ACTIONS = ["Action.Execute", "Action.Submit", "Action.OpenUrl", "Action.ShowCard", "Action.ToggleVisibility"];
const LARGEST_CARD = 28_000;
const LARGEST_MESSAGE = 100_000;
const MOST_ACTIONS = 6;

/** What Teams would find wrong with an Adaptive Card, by its documentation. */
export function judgeCard(card: unknown): string[] {
  const wrong: string[] = [];
  const root = card as Json;
  if (root?.type !== "AdaptiveCard") return ["not an AdaptiveCard"];
  if (root.version !== "1.5") wrong.push(`version ${String(root.version)}: Universal Actions need 1.5`);
  if (root.$schema !== "http://adaptivecards.io/schemas/adaptive-card.json") wrong.push("$schema is missing");
  const bytes = Buffer.byteLength(JSON.stringify(card));
  if (bytes > LARGEST_CARD) wrong.push(`${bytes} bytes: more than Teams takes`);
  const ids = new Set<string>();
  const targets: string[] = [];

  const action = (one: Json, path: string): void => {
    if (!ACTIONS.includes(String(one.type))) return void wrong.push(`${path}: no action ${String(one.type)}`);
    if (typeof one.title !== "string" || one.title === "") wrong.push(`${path}: no title`);
    if (one.type === "Action.Execute") {
      if (typeof one.verb !== "string") wrong.push(`${path}: no verb`);
      const fallback = one.fallback as Json | undefined;
      if (path !== "refresh" && fallback?.type !== "Action.Submit") wrong.push(`${path}: no fallback for old clients`);
    }
    if (one.type === "Action.OpenUrl" && !/^https?:\/\//.test(String(one.url))) wrong.push(`${path}: url ${String(one.url)}`);
    if (one.type === "Action.ToggleVisibility")
      for (const target of one.targetElements as unknown[])
        targets.push(typeof target === "string" ? target : String((target as Json).elementId));
    if (one.type === "Action.ShowCard") body(one.card as Json, `${path}/card`);
    if (one.style !== undefined && !["default", "positive", "destructive"].includes(String(one.style)))
      wrong.push(`${path}: style`);
  };
  const actions = (list: unknown, path: string): void => {
    if (list === undefined) return;
    const many = list as Json[];
    if (many.length === 0) wrong.push(`${path}: empty`);
    if (many.length > MOST_ACTIONS) wrong.push(`${path}: ${many.length} actions`);
    for (const [index, one] of many.entries()) action(one, `${path}[${index}]`);
  };
  const element = (one: Json, path: string): void => {
    if (!ELEMENTS.includes(String(one.type))) return void wrong.push(`${path}: no element ${String(one.type)}`);
    if (one.id !== undefined) {
      if (ids.has(String(one.id))) wrong.push(`${path}: id ${String(one.id)} twice`);
      ids.add(String(one.id));
    }
    if (one.selectAction) action(one.selectAction as Json, `${path}/selectAction`);
    if (INPUTS.includes(String(one.type)) && (!one.id || !one.label)) wrong.push(`${path}: input without id or label`);
    if (
      one.type === "Input.ChoiceSet" &&
      !(one.choices as Json[])?.every(({ title, value }) => title && typeof value === "string")
    )
      wrong.push(`${path}: choices`);
    if (one.type === "TextBlock" && typeof one.text !== "string") wrong.push(`${path}: no text`);
    if (one.type === "RichTextBlock") {
      const inlines = one.inlines as Json[];
      if (!Array.isArray(inlines) || inlines.length === 0) wrong.push(`${path}: no inlines`);
      else if (!inlines.every(({ type, text }) => type === "TextRun" && typeof text === "string" && text !== ""))
        wrong.push(`${path}: empty run`);
      for (const inline of Array.isArray(inlines) ? inlines : [])
        if (inline.selectAction) action(inline.selectAction as Json, `${path}/selectAction`);
    }
    if (one.type === "Image" && !/^(https:\/\/|data:image\/(png|jpeg|gif);base64,)/.test(String(one.url)))
      wrong.push(`${path}: image url`);
    if (one.type === "Image" && !one.altText) wrong.push(`${path}: image without words`);
    for (const [index, inner] of ((one.items as Json[] | undefined) ?? []).entries()) element(inner, `${path}[${index}]`);
    if (one.type === "ActionSet") actions(one.actions, `${path}/actions`);
  };
  const body = (one: Json, path: string): void => {
    for (const [index, inner] of ((one.body as Json[] | undefined) ?? []).entries()) element(inner, `${path}/body[${index}]`);
    actions(one.actions, `${path}/actions`);
  };
  body(root, "");
  for (const target of targets) if (!ids.has(target)) wrong.push(`toggles ${target}, which is not there`);
  const refresh = root.refresh as { action: Json; userIds?: unknown[] } | undefined;
  if (refresh) {
    action(refresh.action, "refresh");
    if (refresh.action.type !== "Action.Execute") wrong.push("refresh needs Action.Execute");
    if ((refresh.userIds?.length ?? 0) > 60) wrong.push("refresh for more than 60 people");
    if (!refresh.userIds?.every((id) => /^29:/.test(String(id)))) wrong.push("refresh.userIds are not Teams ids");
  }
  return wrong;
}

/** What Teams would find wrong with a message. */
export function judgeActivity(activity: Json, personal: boolean): string[] {
  const wrong: string[] = [];
  if (!["message", "typing"].includes(String(activity.type))) wrong.push(`type ${String(activity.type)}`);
  const bytes = Buffer.byteLength(JSON.stringify(activity));
  if (bytes > LARGEST_MESSAGE) wrong.push(`${bytes} bytes: more than Teams takes`);
  const attachments = (activity.attachments as Json[] | undefined) ?? [];
  for (const { contentType, content } of attachments) {
    if (contentType !== "application/vnd.microsoft.card.adaptive") wrong.push(`attachment ${String(contentType)}`);
    wrong.push(...judgeCard(content));
  }
  const entities = (activity.entities as Json[] | undefined) ?? [];
  const stream = entities.filter(({ type }) => type === "streaminfo");
  if (stream.length > 0 && !personal) wrong.push("streams are for one-to-one chats only");
  if (activity.type === "message" && !activity.text && attachments.length === 0) wrong.push("an empty message");
  const roots = entities.filter(({ type }) => type === "https://schema.org/Message");
  if (roots.length > 1) wrong.push("several root message entities");
  for (const root of roots) {
    const claims = (root.citation as Json[] | undefined) ?? [];
    if (claims.length > 20) wrong.push("more than 20 citations");
    for (const { position, appearance } of claims) {
      const { name, abstract } = (appearance ?? {}) as { name?: string; abstract?: string };
      if (!name || [...name].length > 80) wrong.push(`citation ${String(position)}: name`);
      if (!abstract || [...abstract].length > 160) wrong.push(`citation ${String(position)}: abstract`);
      if (!String(activity.text).includes(`[${String(position)}]`)) wrong.push(`citation ${String(position)} is not in the text`);
    }
  }
  return wrong;
}
