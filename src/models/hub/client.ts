/** The requests to a hub: retries, redirects, proxies, the token, and the checks that hold for the answers of any hub. */
import { EnvHttpProxyAgent, fetch, type Response } from "undici";
import { UsageError, UserError } from "../../errors.js";

export interface HubOptions {
  /** Default: the variable of the hub, else its public address. */
  endpoint?: string;
  /** Default: the variable of the hub. It is sent to the endpoint's origin only. */
  token?: string;
  /** Default: $HF_HUB_OFFLINE, for each hub. */
  offline?: boolean;
  /** Milliseconds that a server may be silent. */
  stall?: number;
  /** The first pause before a retry, in milliseconds; it doubles. */
  pause?: number;
  env?: NodeJS.ProcessEnv;
}

/** How a client talks to one kind of hub. */
export interface Protocol {
  /** The public address. */
  endpoint: string;
  /** Environment variables. */
  variables: { endpoint: string; token: string };
  /** The headers that carry a token. */
  credentials(token: string): Record<string, string>;
  /** The sha256 of the content that a response for a file names, if the hub names one. */
  namedHash?(response: Response): string | undefined;
  /** Finds a refusal in a JSON body that came with a status of success. */
  refusal?(value: unknown): { code: number; message: string } | undefined;
}

const attempts = 6;
const maxRedirects = 5;
const maxJson = 16 * 2 ** 20;
const maxRefusal = 65_536;
const maxWait = 300_000;

/** A failure that may not occur again when the request is repeated. */
export class Transient extends UserError {
  /** Milliseconds that the server asked to wait. */
  readonly wait: number | undefined;
  /** Whether the server does not respond or can't serve anything now. */
  readonly outOfReach: boolean;

  constructor(message: string, more: { wait?: number | undefined; outOfReach?: boolean; cause?: unknown } = {}) {
    super(message, undefined, more.cause === undefined ? undefined : { cause: more.cause });
    this.wait = more.wait;
    this.outOfReach = more.outOfReach ?? false;
  }
}

export class Client {
  readonly endpoint: URL;
  readonly offline: boolean;
  readonly #protocol: Protocol;
  readonly #token: string | undefined;
  readonly #stall: number;
  readonly #pause: number;
  readonly #dispatcher: EnvHttpProxyAgent;

  constructor(protocol: Protocol, options: HubOptions = {}) {
    const env = options.env ?? process.env;
    const { variables } = protocol;
    const endpoint = options.endpoint || env[variables.endpoint] || protocol.endpoint;
    if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
      throw new UsageError(`${variables.endpoint} ${JSON.stringify(endpoint)} is not an http or https address.`);
    this.#protocol = protocol;
    this.endpoint = new URL(endpoint.replace(/\/+$/, ""));
    this.#token = options.token || env[variables.token] || undefined;
    // A comma, semicolon, quote or backslash would end a cookie's value.
    if (this.#token && !/^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/.test(this.#token))
      throw new UsageError(`${variables.token} holds characters that are not allowed in a token.`);
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

  /** The address of a path, which is already encoded, below the endpoint. */
  url(path: string): URL {
    return new URL(this.endpoint.href.replace(/\/+$/, "") + path);
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
   * Sends a GET request and follows redirects. `linked` is the sha256 that the hub itself names, not a host that it redirects to. Throws
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
      const credentials =
        this.#token && at.origin === this.endpoint.origin ? this.#protocol.credentials(this.#token) : {};
      // The dispatcher retries a proxy that closes each connection without end: only a timer stops it.
      const silent = new AbortController();
      const timer = setTimeout(() => silent.abort(new Error("it does not respond")), this.#stall);
      const response = await fetch(at.href, {
        headers: { "user-agent": "owl3", "accept-encoding": "identity", ...headers, ...credentials },
        redirect: "manual",
        dispatcher: this.#dispatcher,
        signal: signal ? AbortSignal.any([signal, silent.signal]) : silent.signal,
      })
        .catch((error: unknown) => {
          signal?.throwIfAborted();
          throw new Transient(`${at.host} can't be reached: ${reasonOf(error)}.`, { outOfReach: true, cause: error });
        })
        .finally(() => clearTimeout(timer));
      if (at.origin === this.endpoint.origin) linked ??= this.#protocol.namedHash?.(response);
      if (response.status < 300 || response.status > 399) {
        if (response.ok) return { response, linked };
        await response.body?.cancel().catch(() => {});
        throw this.#refusal(response.status, what, at.host, response.headers.get("retry-after"));
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

  /** Fetches JSON of bounded size, and the Link header beside it. */
  async json(url: URL, what: string, signal?: AbortSignal): Promise<{ value: unknown; link: string | null }> {
    return this.retrying(
      async () => {
        const { response } = await this.get(url, what, { accept: "application/json" }, signal);
        const body = await this.#body(response, maxJson, what, signal);
        let value: unknown;
        try {
          value = JSON.parse(body.toString("utf8"));
        } catch {
          throw this.unexpected(what);
        }
        this.#checkRefusal(value, what);
        return { value, link: response.headers.get("link") };
      },
      () => false,
      signal,
    );
  }

  /** Throws UserError if a response that should have been part of a file is a short JSON body by which the hub refuses it. */
  async throwIfRefusal(response: Response, what: string, signal?: AbortSignal): Promise<void> {
    const length = Number(response.headers.get("content-length") ?? 0);
    const isJson = /^application\/json\b/i.test(response.headers.get("content-type") ?? "");
    if (!this.#protocol.refusal || response.status !== 200 || !isJson || length > maxRefusal)
      return void (await response.body?.cancel().catch(() => {}));
    const body = await this.#body(response, maxRefusal, what, signal);
    let value: unknown;
    try {
      value = JSON.parse(body.toString("utf8"));
    } catch {
      return;
    }
    this.#checkRefusal(value, what);
  }

  /** The error for a response that is not what the hub's interface promises. */
  unexpected(what: string): UserError {
    return new UserError(`${this.endpoint.host} returned an unexpected response for ${what}.`);
  }

  async #body(response: Response, limit: number, what: string, signal?: AbortSignal): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of response.body ?? []) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > limit) throw this.unexpected(what);
      }
    } catch (error) {
      if (error instanceof UserError) throw error;
      signal?.throwIfAborted();
      const message = `the response of ${this.endpoint.host} broke off: ${reasonOf(error)}.`;
      throw new Transient(message, { cause: error });
    }
    return Buffer.concat(chunks);
  }

  #checkRefusal(value: unknown, what: string): void {
    const refusal = this.#protocol.refusal?.(value);
    if (!refusal) return;
    const { host } = this.endpoint;
    const known = [401, 403, 404, 429].includes(refusal.code) || (refusal.code >= 500 && refusal.code < 600);
    if (known) throw this.#refusal(refusal.code, what, host);
    throw new UserError(`${host} refused ${what}: ${refusal.message}.`);
  }

  #refusal(status: number, what: string, host: string, retry: string | null = null): UserError {
    const { token } = this.#protocol.variables;
    if (status === 401 || status === 403)
      return new UserError(
        `${host} refused access to ${what}: ${this.#token ? `the token in ${token} may not read it` : `it does not exist, or it needs a token in ${token}`}.`,
      );
    if (status === 404) return new UserError(`${host} has no ${what}.`);
    if (status === 416) return new UserError(`${host} serves ${what} in another length than it listed.`);
    if (status === 429)
      return new Transient(`${host} limits the rate of requests; try again later.`, {
        wait: retryAfter(retry),
        outOfReach: true,
      });
    if (status === 408 || status === 425 || status >= 500)
      return new Transient(`${host} failed to serve ${what} (status ${status}).`, {
        wait: status === 503 ? retryAfter(retry) : undefined,
        outOfReach: true,
      });
    return new UserError(`${host} refused ${what} (status ${status}).`);
  }
}

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
