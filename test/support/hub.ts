import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { HubName } from "../../src/models/names.js";

export interface Request {
  /** As it came: an address when we play a proxy. */
  url: string;
  path: string;
  /** The file of the repository that it asks for; undefined for anything else. */
  file: string | undefined;
  range: string | undefined;
  authorization: string | undefined;
  cookie: string | undefined;
  /** Bytes of the body that were sent. */
  sent: number;
}

/** Handles one request instead of the hub; returns true if it has answered. */
export type Trouble = (request: Request, res: ServerResponse, body: Buffer, hub: FakeHub) => boolean | Promise<boolean>;

export const repo = "someone/tiny-owl";
export const commit = "0123456789abcdef0123456789abcdef01234567";

/**
 * A server that plays a hub for one repository: Hugging Face, where names that end in .safetensors or .gguf are large files (sha256), or ModelScope.
 */
export class FakeHub {
  readonly requests: Request[] = [];
  trouble: Trouble = () => false;
  /** Path of the listing to its replacement. */
  readonly listed = new Map<string, object>();
  url = "";
  readonly #server = createServer((req, res) => void this.#answer(req, res));

  constructor(
    public files: Record<string, Buffer>,
    readonly kind: HubName = "hf",
  ) {}

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Body bytes sent of a file (all files without a name). */
  sent(file = ""): number {
    return this.requests.filter((r) => r.file?.endsWith(file)).reduce((sum, r) => sum + r.sent, 0);
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const address = new URL(req.url ?? "", this.url);
    const { pathname: path, searchParams: query } = address;
    const hf = this.kind === "hf";
    const fetched = hf
      ? path.split(`/${repo}/resolve/${commit}/`)[1]
      : path === `/api/v1/models/${repo}/repo` && query.get("Revision") === "master"
        ? query.get("FilePath")
        : undefined;
    const file = typeof fetched === "string" ? (hf ? decodeURIComponent(fetched) : fetched) : undefined;
    const { range, authorization, cookie } = req.headers;
    const request: Request = { url: req.url ?? "", path, file, range, authorization, cookie, sent: 0 };
    this.requests.push(request);
    const body = this.files[file ?? ""] ?? Buffer.alloc(0);
    if (await this.trouble(request, res, body, this)) return;
    if (file !== undefined && file in this.files) return this.serve(request, res, file, body);
    if (hf && path === `/api/models/${repo}/revision/main`) return void sendJson(res, { sha: commit });
    if (hf && path === `/api/models/${repo}/tree/${commit}`) return void sendJson(res, this.#listing());
    const asked = [query.get("Revision"), query.get("Recursive")].join();
    if (!hf && path === `/api/v1/models/${repo}/repo/files` && asked === "master,True")
      return void sendJson(res, { Code: 200, Success: true, Message: "success", Data: { Files: this.#listing() } });
    res.writeHead(404).end();
  }

  /** The file as it should be served. */
  serve(request: Request, res: ServerResponse, name: string, body: Buffer): void {
    const { from, to } = rangeOf(request.range, body.length);
    const part = body.subarray(from, to);
    const headers: Record<string, string | number> = { "content-length": part.length };
    if (this.kind === "hf") headers.etag = `"${hashOf(name, this.files[name] as Buffer)}"`;
    if (request.range) headers["content-range"] = `bytes ${from}-${to - 1}/${body.length}`;
    request.sent += part.length;
    res.writeHead(request.range ? 206 : 200, headers).end(part);
  }

  #listing(): object[] {
    return Object.entries(this.files).map(([path, data]) => this.listed.get(path) ?? this.entry(path, data));
  }

  /** The entry of a file in the listing. */
  entry(path: string, data: Buffer): object {
    if (this.kind === "modelscope")
      return { Type: "blob", Name: path.split("/").at(-1), Path: path, Size: data.length, Sha256: sha256(data) };
    const entry = { type: "file", path, size: data.length, oid: gitHash(data) };
    const large = /\.(safetensors|gguf)$/.test(path);
    return large ? { ...entry, lfs: { oid: sha256(data), size: data.length, pointerSize: 134 } } : entry;
  }
}

export function sendJson(res: ServerResponse, value: unknown): true {
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  return true;
}

export function rangeOf(range: string | undefined, size: number): { from: number; to: number } {
  const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
  return match ? { from: Number(match[1]), to: Number(match[2]) + 1 } : { from: 0, to: size };
}

export const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
const gitHash = (data: Uint8Array) => createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");
const hashOf = (name: string, data: Uint8Array) => (/\.(safetensors|gguf)$/.test(name) ? sha256(data) : gitHash(data));

/** Bytes that look like nothing. */
export function noise(size: number, seed = 1): Buffer {
  const out = Buffer.alloc(size);
  let x = seed;
  for (let i = 0; i < size; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    out[i] = x >>> 24;
  }
  return out;
}
