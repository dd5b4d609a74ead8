import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import { ApiError } from "./errors.js";

export interface GuardOptions {
  /** Whoever has one of them may ask; none: everybody who reaches the server. */
  keys: readonly string[];
  /** Names of this server besides localhost and addresses. */
  hosts: readonly string[];
  /** Origins of web pages that may ask, besides the server's own. */
  origins: readonly string[];
}

/** The one who asks. */
export interface Caller {
  /** Undefined: all callers are one. */
  tenant: string | undefined;
}

/**
 * Refuses requests whose Host is no name of this server: a page whose name was made to resolve to this machine (DNS rebinding) would pass for the
 * server's own; and requests of pages of other origins, which a browser sends without asking.
 */
export function checkOrigin({ hosts, origins }: GuardOptions): MiddlewareHandler {
  const names = new Set(["localhost", ...hosts.map((name) => name.toLowerCase())]);
  return async (c, next) => {
    const host = (c.req.header("host") ?? "").toLowerCase();
    const name = /^(\[[0-9a-f:.]+\]|[^:]*)(?::\d+)?$/.exec(host)?.[1] ?? "";
    if (!names.has(name) && isIP(name.replace(/^\[|\]$/g, "")) === 0)
      throw new ApiError(403, "wrong_host", "this server does not have the name that the request's Host header gives.");
    const origin = c.req.header("origin")?.toLowerCase();
    const own = origin === `http://${host}` || origin === `https://${host}`;
    if (origin !== undefined && !own && !origins.includes(origin))
      throw new ApiError(403, "wrong_origin", "web pages of this origin may not use the server.");
    await next();
  };
}

/** Asks for a key, as a bearer token or as the password of HTTP's basic authentication, which is how a browser asks for it. */
export function checkKey({ keys }: GuardOptions): MiddlewareHandler<{ Variables: Caller }> {
  const digests = keys.map(digest);
  return async (c, next) => {
    if (digests.length === 0) return next();
    const given = digest(keyOf(c.req.header("authorization") ?? ""));
    let tenant = -1;
    // All are compared, each in constant time, so that the time tells nothing about any.
    for (const [i, known] of digests.entries()) if (timingSafeEqual(known, given)) tenant = i;
    if (tenant < 0) {
      const page = c.req.method === "GET" && (c.req.header("accept") ?? "").includes("text/html");
      c.header("WWW-Authenticate", page ? 'Basic realm="owl3: any name, and the key as password"' : "Bearer");
      throw new ApiError(401, "invalid_api_key", "the API key is missing or wrong.");
    }
    if (digests.length > 1) c.set("tenant", (digests[tenant] as Buffer).toString("hex").slice(0, 16));
    return next();
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

function keyOf(authorization: string): string {
  const [, scheme = "", value = ""] = /^(\S+)\s+(.*)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return value.trim();
  if (scheme.toLowerCase() !== "basic") return "";
  const pair = Buffer.from(value, "base64").toString("utf8");
  return pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : "";
}
