/** Path of one piece of evidence on Vigil's page, made of ids that look like ids, or null. */
export function evidencePath(investigationId: string | null, id: string): string | null {
  return investigationId && /^INV-\d{1,9}$/.test(investigationId) && /^E\d{1,4}$/.test(id)
    ? `/evidence/${investigationId}/${id}`
    : null;
}

/** Longer ones would eat into a message's limits. */
const LONGEST = 500;

/** The same as a responder reaches it from a chat; null where nobody configured the page's address (`escalation.pageUrl`). */
export function evidenceUrl(pageUrl: string | null, path: string | null): string | null {
  if (!pageUrl || !path) return null;
  const url = `${pageUrl.replace(/\/$/, "")}${path}`;
  return url.length <= LONGEST && !/[\s<>|"]/.test(url) ? url : null;
}
