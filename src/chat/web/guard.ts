import { timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { RequestHandler } from "express";

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * Refuses requests that name another host (DNS rebinding), and changes that do not come from our own page (CSRF) with its token.
 *
 * @param host the address that the server listens on; requests must name it, or loopback
 */
export function guard(host: string, token: string): RequestHandler {
  const wanted = Buffer.from(token);
  return (request, response, next) => {
    response.set({ "content-security-policy": CSP, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    const named = (request.headers.host ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    if (!answersTo(named, host))
      return void response.status(421).json({ error: `This page does not answer to the name ${named.slice(0, 80)}.` });
    if (request.method === "GET" || request.method === "HEAD") return next();
    const origin = request.headers.origin;
    if (origin !== undefined && origin !== `http://${request.headers.host}` && origin !== `https://${request.headers.host}`)
      return void response.status(403).json({ error: "This request comes from another page." });
    const given = Buffer.from(String(request.headers["x-vigil-token"] ?? ""));
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
      return void response.status(403).json({ error: "The page is of an earlier start; reload it." });
    next();
  };
}

/** Loopback and the configured host, and any address where it listens on all of them: rebinding needs a name. */
function answersTo(named: string, host: string): boolean {
  if (["127.0.0.1", "localhost", "::1", host].includes(named)) return true;
  return (host === "0.0.0.0" || host === "::") && isIP(named) !== 0;
}
