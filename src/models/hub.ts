/** A Hugging Face-compatible hub over HTTP: addresses, retries, redirects, and what of its answers is believed. */
import { EnvHttpProxyAgent, fetch, type Response } from "undici";
import { UsageError, UserError } from "../errors.js";
import { repoName } from "./folder.js";

export interface HubOptions {
  /** Default: $HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string;
  /** Default: $HF_TOKEN. Sent to the endpoint's origin only. */
  token?: string;
  /** Default: $HF_HUB_OFFLINE. */
  offline?: boolean;
  /** Longest silence of a server, in milliseconds. */
  stall?: number;
  /** The first pause before a retry, in milliseconds; it doubles. */
  pause?: number;
  env?: NodeJS.ProcessEnv;
}

/** A file of a repository at a commit. */
export interface HubFile {
  path: string;
  size: number;
  /** sha256 of the content (large files), or git's blob hash of it. */
  hash: { kind: "sha256" | "git"; hex: string };
}

const attempts = 6;
const mostRedirects = 5;
const mostJson = 16 * 2 ** 20;
const mostFiles = 10_000;
const longestWait = 300_000;

/** A failure that another try may not have. */
export class Transient extends UserError {
  constructor(
    message: string,
    /** Milliseconds the server asked to wait. */
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
      throw new UsageError("HF_TOKEN holds characters that no token has.");
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

  /** The commit a revision (branch, tag, commit) stands for. */
  async commit(repo: string, revision: string, signal?: AbortSignal): Promise<string> {
    const address = this.#url(`/api/models/${repoName(repo)}/revision/${encodeURIComponent(revision)}`);
    const { value } = await this.#json(address, `${repo} (${revision})`, signal);
    const sha = (value as { sha?: unknown } | null)?.sha;
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw this.#nonsense(`the commit of ${repo}`);
    return sha;
  }

  /** All files of a repository at a commit. */
  async files(repo: string, commit: string, signal?: AbortSignal): Promise<HubFile[]> {
    const files: HubFile[] = [];
    let next: URL | undefined = this.#url(`/api/models/${repoName(repo)}/tree/${commit}?recursive=true`);
    for (let page = 0; next && page < 100; page++) {
      const { value, link }: { value: unknown; link: string | null } = await this.#json(next, repo, signal);
      if (!Array.isArray(value)) throw this.#nonsense(`the files of ${repo}`);
      for (const entry of value) {
        const file = hubFile(entry);
        if (file === undefined) throw this.#nonsense(`the files of ${repo}`);
        if (file) files.push(file);
      }
      if (files.length > mostFiles) throw this.#nonsense(`the files of ${repo}`);
      const more: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
      const page2: URL | undefined = more && URL.canParse(more, next.href) ? new URL(more, next) : undefined;
      next = page2?.origin === this.endpoint.origin ? page2 : undefined;
    }
    return files;
  }

  fileUrl(repo: string, commit: string, file: string): URL {
    return this.#url(`/${repoName(repo)}/resolve/${commit}/${file.split("/").map(encodeURIComponent).join("/")}`);
  }

  /** Repeats `work` while it fails in ways that may pass; `progressed` says whether a try got on, which starts the count anew. */
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
        await sleep(Math.min(pause, longestWait), signal);
      }
    }
  }

  /**
   * One GET, redirects followed. `linked` is the hash that the hub (not the host it redirects to) names. Throws Transient for what may pass
   * and UserError with one sentence about `what` for what will not.
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
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const authorization =
        this.#token && at.origin === this.endpoint.origin ? { authorization: `Bearer ${this.#token}` } : {};
      // A proxy that closes each connection is tried again and again by the dispatcher: only a clock ends that.
      const silent = new AbortController();
      const timer = setTimeout(() => silent.abort(new Error("it does not answer")), this.#stall);
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
      if (!location || !URL.canParse(location, at.href)) throw new UserError(`${at.host} sends ${what} nowhere.`);
      const to = new URL(location, at);
      if (!/^https?:$/.test(to.protocol) || (at.protocol === "https:" && to.protocol === "http:"))
        throw new UserError(`${at.host} sends ${what} to an address that is not safe (${to.protocol}//${to.host}).`);
      at = to;
    }
    throw new UserError(`${url.host} redirects ${what} in circles.`);
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
            if (size > mostJson) throw this.#nonsense(what);
          }
        } catch (error) {
          if (error instanceof UserError) throw error;
          signal?.throwIfAborted();
          throw new Transient(`${url.host} broke off: ${reasonOf(error)}.`, undefined, { cause: error });
        }
        try {
          return { value: JSON.parse(Buffer.concat(chunks).toString("utf8")), link: response.headers.get("link") };
        } catch {
          throw this.#nonsense(what);
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
        `${at.host} does not give ${what}: ${this.#token ? "the token in HF_TOKEN may not read it" : "it does not exist, or it needs a token in HF_TOKEN"}.`,
      );
    if (status === 404) return new UserError(`${at.host} has no ${what}.`);
    if (status === 416) return new UserError(`${at.host} has ${what} in another length than it said.`);
    const wait = status === 429 || status === 503 ? retryAfter(response.headers.get("retry-after")) : undefined;
    if (status === 408 || status === 425 || status === 429 || status >= 500)
      return new Transient(
        status === 429
          ? `${at.host} asks to slow down; try again later.`
          : `${at.host} has trouble with ${what} (status ${status}).`,
        wait,
      );
    return new UserError(`${at.host} refuses ${what} (status ${status}).`);
  }

  #nonsense(what: string): UserError {
    return new UserError(`${this.endpoint.host} gives an answer about ${what} that makes no sense.`);
  }

  #url(path: string): URL {
    return new URL(this.endpoint.href.replace(/\/+$/, "") + path);
  }
}

/** One entry of a listing: null for a folder, undefined for nonsense. */
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

/** Proxies of the environment that was given, not of the process. */
function proxies(env: NodeJS.ProcessEnv): { httpProxy?: string; httpsProxy?: string; noProxy?: string } {
  const all = env.ALL_PROXY ?? env.all_proxy;
  const http = env.http_proxy ?? env.HTTP_PROXY ?? all ?? "";
  const https = env.https_proxy ?? env.HTTPS_PROXY ?? all ?? "";
  for (const proxy of [http, https])
    if (proxy && !(URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol)))
      throw new UsageError("the proxy in HTTP_PROXY or HTTPS_PROXY is not an http or https address.");
  return { httpProxy: http, httpsProxy: https, noProxy: env.no_proxy ?? env.NO_PROXY ?? "" };
}

/** The short reason inside a fetch error. */
export function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = inner as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOTFOUND: "there is no such host",
    EAI_AGAIN: "the name can't be looked up",
    ECONNREFUSED: "the connection is refused",
    ECONNRESET: "the connection was cut",
    UND_ERR_SOCKET: "the connection was cut",
    UND_ERR_CONNECT_TIMEOUT: "it does not answer",
    UND_ERR_HEADERS_TIMEOUT: "it does not answer",
    UND_ERR_BODY_TIMEOUT: "it fell silent",
    ETIMEDOUT: "it does not answer",
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
