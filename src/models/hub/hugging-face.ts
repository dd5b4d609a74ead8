/** Hugging Face and its mirrors. A revision is resolved to a commit, at which files are listed and fetched. */
import type { Response } from "undici";
import { Client, type HubOptions, type Protocol } from "./client.js";
import { type Hub, isPlausible, type ListedFile, listedFile, type Snapshot } from "./hub.js";

const maxPages = 100;

const protocol: Protocol = {
  endpoint: "https://huggingface.co",
  variables: { endpoint: "HF_ENDPOINT", token: "HF_TOKEN" },
  credentials: (token) => ({ authorization: `Bearer ${token}` }),
  // For large files the hub names the hash of the content, for small ones another one.
  namedHash: (response: Response) => {
    const { headers, ok } = response;
    const etag = headers.get("x-linked-etag") ?? (ok ? headers.get("etag") : null);
    return /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(etag ?? "")?.[1];
  },
};

export class HuggingFace implements Hub {
  readonly client: Client;
  readonly defaultRevision = "main";

  constructor(options: HubOptions = {}) {
    this.client = new Client(protocol, options);
  }

  async snapshot(repo: string, revision: string, signal?: AbortSignal): Promise<Snapshot> {
    const commit = await this.#commit(repo, revision, signal);
    return { commit, files: await this.#files(repo, commit, signal) };
  }

  fileUrl(repo: string, revision: string, file: string): URL {
    const path = file.split("/").map(encodeURIComponent).join("/");
    return this.client.url(`/${repo}/resolve/${encodeURIComponent(revision)}/${path}`);
  }

  pageUrl(repo: string): string {
    return this.client.url(`/${repo}`).href;
  }

  async #commit(repo: string, revision: string, signal?: AbortSignal): Promise<string> {
    const address = this.client.url(`/api/models/${repo}/revision/${encodeURIComponent(revision)}`);
    const { value } = await this.client.json(address, `${repo} (${revision})`, signal);
    const sha = (value as { sha?: unknown } | null)?.sha;
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw this.client.unexpected(`the commit of ${repo}`);
    return sha;
  }

  async #files(repo: string, commit: string, signal?: AbortSignal): Promise<ListedFile[]> {
    const files: ListedFile[] = [];
    const { endpoint } = this.client;
    let next: URL | undefined = this.client.url(`/api/models/${repo}/tree/${commit}?recursive=true`);
    for (let page = 0; next; page++) {
      const { value, link }: { value: unknown; link: string | null } = await this.client.json(next, repo, signal);
      const entries = Array.isArray(value) ? value.map(parseEntry) : [undefined];
      files.push(...entries.filter((entry) => entry !== undefined && entry !== null));
      if (entries.includes(undefined) || page >= maxPages || !isPlausible(files))
        throw this.client.unexpected(`the files of ${repo}`);
      const more: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
      const page2: URL | undefined = more && URL.canParse(more, next.href) ? new URL(more, next) : undefined;
      next = page2?.origin === endpoint.origin ? page2 : undefined;
    }
    return files;
  }
}

/** Checks an entry of a listing: null for a folder, undefined for an invalid one. */
function parseEntry(entry: unknown): ListedFile | null | undefined {
  const { type, path, size, oid, lfs } = (entry ?? {}) as Record<string, unknown>;
  if (type === "directory") return null;
  const large = lfs as { oid?: unknown; size?: unknown } | null | undefined;
  const hex = String(large?.oid ?? oid).replace(/^sha256:/, "");
  if (type !== "file" || !(large ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hex)) return undefined;
  return listedFile(path, large?.size ?? size, { kind: large ? "sha256" : "git", hex });
}
