/** Builds an element. Text only ever becomes text nodes: nothing that comes from outside can become markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Number.POSITIVE_INFINITY)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

/** Draws parsed Markdown. `scope` is the message whose evidence the citations point to. */
export function markdown(blocks, scope) {
  return blocks.map((block) => {
    if (block.type === "code") return el("pre", {}, el("code", {}, block.text));
    if (block.type === "list")
      return el(
        "ul",
        {},
        block.items.map((item) => el("li", {}, inline(item, scope))),
      );
    return el(
      "p",
      {},
      block.lines.flatMap((line, index) => [index > 0 ? el("br") : null, ...inline(line, scope)]),
    );
  });
}

/** The same without paragraphs, where one line stands. */
export function line(blocks, scope) {
  return blocks.flatMap((block) => {
    if (block.type === "code") return [el("code", {}, block.text)];
    const lines = block.type === "list" ? block.items : block.lines;
    return lines.flatMap((parts, index) => [index > 0 ? " " : null, ...inline(parts, scope)]);
  });
}

function inline(parts, scope) {
  return parts.map((part) => {
    switch (part.type) {
      case "bold":
        return el("strong", {}, part.text);
      case "italic":
        return el("em", {}, part.text);
      case "code":
        return el("code", {}, part.text);
      case "cite":
        return citation(part.id, scope);
      default:
        return part.text;
    }
  });
}

export const evidenceId = (scope, id) => `evidence-${scope}-${id}`;

export function citation(id, scope) {
  return el("a", { class: "cite", href: `#${evidenceId(scope, id)}`, title: `Evidence ${id}` }, id);
}

/** Opens what is folded around the evidence that the address names, and shows it. */
export function revealEvidence() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id.startsWith("evidence-") ? document.getElementById(id) : null;
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at instanceof HTMLDetailsElement) at.open = true;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  target.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  target.classList.add("found");
  setTimeout(() => target.classList.remove("found"), 2_500);
}

export const percent = (share) => `${Math.round(share * 100)} %`;

export function duration(milliseconds) {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  if (milliseconds < 5_400_000) return `${Math.round(milliseconds / 60_000)} min`;
  return `${Math.round(milliseconds / 3_600_000)} h`;
}

export const utc = (at, seconds = true) => new Date(at).toISOString().slice(11, seconds ? 19 : 16);
