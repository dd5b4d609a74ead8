/** A client of Hugging Face-compatible hubs: addresses, retries, redirects, and the checks of their answers. */
import { EnvHttpProxyAgent, fetch, type Response } from "undici";
import { UsageError, UserError } from "../errors.js";
import { repoName } from "./folder.js";

export interface HubOptions {
  /** Default: $HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string;
  /** Default: $HF_TOKEN. It is sent to the endpoint's origin only. */
  token?: string;
  /** Default: $HF_HUB_OFFLINE. */
  offline?: boolean;
  /** Milliseconds that a server may be silent. */
  stall?: number;
  /** The first pause before a retry, in milliseconds; it doubles. */
  pause?: number;
  env?: NodeJS.ProcessEnv;
}

/** A file of a repository at a commit. */
export interface HubFile {
  path: string;
  size: number;
  /** The sha256 of the content (large files) or its git blob hash. */
  hash: { kind: "sha256" | "git"; hex: string };
}

const attempts = 6;
const maxRedirects = 5;
const maxJson = 16 * 2 ** 20;
const maxFiles = 10_000;
const maxWait = 300_000;

/** A failure that may not occur again when the request is repeated. */
export class Transient extends UserError {
  constructor(
    message: string,
    /** Milliseconds that the server asked to wait. */
    readonly wait?: number,
    options?: ErrorOptions,
  ) {
    super(message, undefined, options);
  }
}

export class Hub {
  readonly endpoint: URL;
  readonly offline: boolean;
  readonly #token: string | undefined;
  readonly #stall: number;
  readonly #pause: number;
  readonly #dispatcher: EnvHttpProxyAgent;

  constructor(options: HubOptions = {}) {
    const env = options.env ?? process.env;
    const endpoint = options.endpoint || env.HF_ENDPOINT || "https://huggingface.co";
    if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
      throw new UsageError(`HF_ENDPOINT ${JSON.stringify(endpoint)} is not an http or https address.`);
    this.endpoint = new URL(endpoint.replace(/\/+$/, ""));
    this.#token = options.token || env.HF_TOKEN || undefined;
    if (this.#token && !/^[\x21-\x7e]+$/.test(this.#token))
      throw new UsageError("HF_TOKEN holds characters that are not allowed in a token.");
    this.offline = options.offline ?? /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? "");
    this.#stall = options.stall ?? 60_000;
    this.#pause = options.pause ?? 1000;
    this.#dispatcher = new EnvHttpProxyAgent({
      connect: { timeout: Math.min(this.#stall, 30_000) },
      headersTimeout: this.#stall,
      bodyTimeout: this.#stall,
      // Plain http through a proxy as curl does it; https is tunnelled in any case.
      proxyTunnel: false,
      ...proxies(env),
    });
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }

  /** Resolves a revision (branch, tag, commit) to its commit. */
  async commit(repo: string, revision: string, signal?: AbortSignal): Promise<string> {
    const address = this.#url(`/api/models/${repoName(repo)}/revision/${encodeURIComponent(revision)}`);
    const { value } = await this.#json(address, `${repo} (${revision})`, signal);
    const sha = (value as { sha?: unknown } | null)?.sha;
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw this.#unexpected(`the commit of ${repo}`);
    return sha;
  }

  /** Lists all files of a repository at a commit. */
  async files(repo: string, commit: string, signal?: AbortSignal): Promise<HubFile[]> {
    const files: HubFile[] = [];
    let next: URL | undefined = this.#url(`/api/models/${repoName(repo)}/tree/${commit}?recursive=true`);
    for (let page = 0; next && page < 100; page++) {
      const { value, link }: { value: unknown; link: string | null } = await this.#json(next, repo, signal);
      if (!Array.isArray(value)) throw this.#unexpected(`the files of ${repo}`);
      for (const entry of value) {
        const file = hubFile(entry);
        if (file === undefined) throw this.#unexpected(`the files of ${repo}`);
        if (file) files.push(file);
      }
      if (files.length > maxFiles) throw this.#unexpected(`the files of ${repo}`);
      const more: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
      const page2: URL | undefined = more && URL.canParse(more, next.href) ? new URL(more, next) : undefined;
      next = page2?.origin === this.endpoint.origin ? page2 : undefined;
    }
    return files;
  }

  fileUrl(repo: string, commit: string, file: string): URL {
    return this.#url(`/${repoName(repo)}/resolve/${commit}/${file.split("/").map(encodeURIComponent).join("/")}`);
  }

  /** Repeats `work` while it throws Transient. If `progressed` tells that an attempt got further, the count of attempts starts anew. */
  async retrying<T>(work: () => Promise<T>, progressed: () => boolean, signal?: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Transient)) throw error;
        if (progressed()) failures = 1;
        if (failures >= attempts) throw error;
        const pause = error.wait ?? this.#pause * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
        await sleep(Math.min(pause, maxWait), signal);
      }
    }
  }

  /**
   * Sends a GET request and follows redirects. `linked` is the hash that the hub itself names, not a host that it redirects to. Throws
   * Transient for failures that a later attempt may not have, and UserError, which names `what`, for others.
   */
  async get(
    url: URL,
    what: string,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<{ response: Response; linked: string | undefined }> {
    if (this.offline) throw new UserError(`${what} is not here, and nothing is fetched offline.`);
    let at = url;
    let linked: string | undefined;
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const authorization =
        this.#token && at.origin === this.endpoint.origin ? { authorization: `Bearer ${this.#token}` } : {};
      // The dispatcher retries a proxy that closes each connection without end: only a timer stops it.
      const silent = new AbortController();
      const timer = setTimeout(() => silent.abort(new Error("it does not respond")), this.#stall);
      const response = await fetch(at.href, {
        headers: { "user-agent": "owl3", "accept-encoding": "identity", ...headers, ...authorization },
        redirect: "manual",
        dispatcher: this.#dispatcher,
        signal: signal ? AbortSignal.any([signal, silent.signal]) : silent.signal,
      })
        .catch((error: unknown) => {
          signal?.throwIfAborted();
          throw new Transient(`${at.host} can't be reached: ${reasonOf(error)}.`, undefined, { cause: error });
        })
        .finally(() => clearTimeout(timer));
      if (at.origin === this.endpoint.origin)
        linked ??= etag(response.headers.get("x-linked-etag") ?? (response.ok ? response.headers.get("etag") : null));
      if (response.status < 300 || response.status > 399) {
        if (response.ok) return { response, linked };
        await response.body?.cancel().catch(() => {});
        throw this.#refusal(response, what, at);
      }
      await response.body?.cancel().catch(() => {});
      const location = response.headers.get("location");
      if (!location || !URL.canParse(location, at.href))
        throw new UserError(`${at.host} redirected ${what} without a location.`);
      const to = new URL(location, at);
      if (!/^https?:$/.test(to.protocol) || (at.protocol === "https:" && to.protocol === "http:"))
        throw new UserError(
          `${at.host} redirected ${what} to an address that is not safe (${to.protocol}//${to.host}).`,
        );
      at = to;
    }
    throw new UserError(`${url.host} redirected ${what} more than ${maxRedirects} times.`);
  }

  async #json(url: URL, what: string, signal?: AbortSignal): Promise<{ value: unknown; link: string | null }> {
    return this.retrying(
      async () => {
        const { response } = await this.get(url, what, { accept: "application/json" }, signal);
        const chunks: Uint8Array[] = [];
        let size = 0;
        try {
          for await (const chunk of response.body ?? []) {
            chunks.push(chunk);
            size += chunk.length;
            if (size > maxJson) throw this.#unexpected(what);
          }
        } catch (error) {
          if (error instanceof UserError) throw error;
          signal?.throwIfAborted();
          throw new Transient(`the response of ${url.host} broke off: ${reasonOf(error)}.`, undefined, {
            cause: error,
          });
        }
        try {
          return { value: JSON.parse(Buffer.concat(chunks).toString("utf8")), link: response.headers.get("link") };
        } catch {
          throw this.#unexpected(what);
        }
      },
      () => false,
      signal,
    );
  }

  #refusal(response: Response, what: string, at: URL): UserError {
    const { status } = response;
    if (status === 401 || status === 403)
      return new UserError(
        `${at.host} refused access to ${what}: ${this.#token ? "the token in HF_TOKEN may not read it" : "it does not exist, or it needs a token in HF_TOKEN"}.`,
      );
    if (status === 404) return new UserError(`${at.host} has no ${what}.`);
    if (status === 416) return new UserError(`${at.host} serves ${what} in another length than it listed.`);
    const wait = status === 429 || status === 503 ? retryAfter(response.headers.get("retry-after")) : undefined;
    if (status === 408 || status === 425 || status === 429 || status >= 500)
      return new Transient(
        status === 429
          ? `${at.host} limits the rate of requests; try again later.`
          : `${at.host} failed to serve ${what} (status ${status}).`,
        wait,
      );
    return new UserError(`${at.host} refused ${what} (status ${status}).`);
  }

  #unexpected(what: string): UserError {
    return new UserError(`${this.endpoint.host} returned an unexpected response for ${what}.`);
  }

  #url(path: string): URL {
    return new URL(this.endpoint.href.replace(/\/+$/, "") + path);
  }
}

/** Checks an entry of a listing: null for a folder, undefined for an invalid one. */
function hubFile(entry: unknown): HubFile | null | undefined {
  const { type, path, size, oid, lfs } = (entry ?? {}) as Record<string, unknown>;
  if (type === "directory") return null;
  const large = lfs as { oid?: unknown; size?: unknown } | undefined;
  const bytes = large?.size ?? size;
  if (type !== "file" || typeof path !== "string" || !path || path.length > 1000) return undefined;
  if (!Number.isSafeInteger(bytes) || (bytes as number) < 0) return undefined;
  const hash = String(large?.oid ?? oid).replace(/^sha256:/, "");
  if (!(large ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash)) return undefined;
  return { path, size: bytes as number, hash: { kind: large ? "sha256" : "git", hex: hash } };
}

const etag = (value: string | null) => value?.replace(/^W\//, "").replace(/^"|"$/g, "");

function retryAfter(value: string | null): number | undefined {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Reads the proxies of the given environment, which may not be that of the process. */
function proxies(env: NodeJS.ProcessEnv): { httpProxy?: string; httpsProxy?: string; noProxy?: string } {
  const all = env.ALL_PROXY ?? env.all_proxy;
  const http = env.http_proxy ?? env.HTTP_PROXY ?? all ?? "";
  const https = env.https_proxy ?? env.HTTPS_PROXY ?? all ?? "";
  for (const proxy of [http, https])
    if (proxy && !(URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol)))
      throw new UsageError("the proxy in HTTP_PROXY or HTTPS_PROXY is not an http or https address.");
  return { httpProxy: http, httpsProxy: https, noProxy: env.no_proxy ?? env.NO_PROXY ?? "" };
}

/** Explains an error of fetch in a few words. */
export function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = inner as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOTFOUND: "there is no such host",
    EAI_AGAIN: "its name can't be resolved",
    ECONNREFUSED: "the connection is refused",
    ECONNRESET: "the connection was cut",
    UND_ERR_SOCKET: "the connection was cut",
    UND_ERR_CONNECT_TIMEOUT: "it does not respond",
    UND_ERR_HEADERS_TIMEOUT: "it does not respond",
    UND_ERR_BODY_TIMEOUT: "it stopped responding",
    ETIMEDOUT: "it does not respond",
  };
  return known[code ?? ""] ?? (message || String(error));
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
