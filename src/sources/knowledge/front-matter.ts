import { stringify } from "yaml";

/** Markdown with front matter, as the knowledge reads it. Values that are empty are left out. */
export function withFrontMatter(
  values: Readonly<Record<string, string | readonly string[] | null | undefined>>,
  text: string,
): string {
  const said = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value.length > 0);
  return `---\n${stringify(Object.fromEntries(said), { lineWidth: 0 })}---\n${text.trim()}\n`;
}

/** A kind by how people name such pages; `note` when the name does not say. */
export function kindByName(name: string): string {
  if (/post[-\s_]?mortem|retrospective|incident review|rca\b/i.test(name)) return "post-mortem";
  if (/incident|outage/i.test(name)) return "incident";
  if (/run[-\s_]?book|playbook|how[-\s]to/i.test(name)) return "runbook";
  if (/architecture|design|adr\b/i.test(name)) return "architecture";
  return "note";
}
