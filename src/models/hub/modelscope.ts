/**
 * ModelScope. Its listings name no commit: the sha256 of each file, which they do name, says what is fetched. An answer has the form {Code, Success,
 * Message, Data}, and a refusal may come with status 200.
 */
import { Client, type HubOptions, type Protocol } from "./client.js";
import { type Hub, isPlausible, type ListedFile, listedFile, type Snapshot } from "./hub.js";

const protocol: Protocol = {
  endpoint: "https://modelscope.cn",
  variables: { endpoint: "MODELSCOPE_ENDPOINT", token: "MODELSCOPE_API_TOKEN" },
  credentials: (token) => ({ authorization: `Bearer ${token}`, cookie: `m_session_id=${token}` }),
  refusal: (value) => {
    const { Success, Code, Message } = (value ?? {}) as Record<string, unknown>;
    if (typeof Success !== "boolean" || Success) return undefined;
    const said = typeof Message === "string" ? Message.replace(/\s+/g, " ").trim().slice(0, 200) : "";
    const code = typeof Code === "number" ? Code : 0;
    return { code, message: said.replace(/\.$/, "") || `it gives the code ${code}` };
  },
};

export class ModelScope implements Hub {
  readonly client: Client;
  readonly defaultRevision = "master";

  constructor(options: HubOptions = {}) {
    this.client = new Client(protocol, options);
  }

  async snapshot(repo: string, revision: string, signal?: AbortSignal): Promise<Snapshot> {
    const query = new URLSearchParams({ Revision: revision, Recursive: "True" });
    const address = this.client.url(`/api/v1/models/${repo}/repo/files?${query}`);
    const { value } = await this.client.json(address, `${repo} (${revision})`, signal);
    const { Success, Data } = (value ?? {}) as { Success?: unknown; Data?: { Files?: unknown } | null };
    const entries = Success === true && Array.isArray(Data?.Files) ? Data.Files.map(parseEntry) : [undefined];
    const files = entries.filter((entry) => entry !== undefined && entry !== null);
    if (entries.includes(undefined) || !isPlausible(files)) throw this.client.unexpected(`the files of ${repo}`);
    return { files };
  }

  fileUrl(repo: string, revision: string, file: string): URL {
    const query = new URLSearchParams({ Revision: revision, FilePath: file });
    return this.client.url(`/api/v1/models/${repo}/repo?${query}`);
  }

  pageUrl(repo: string): string {
    return this.client.url(`/models/${repo}`).href;
  }
}

/** Checks an entry of a listing: null for a folder, undefined for an invalid one. */
function parseEntry(entry: unknown): ListedFile | null | undefined {
  const { Type, Path, Size, Sha256 } = (entry ?? {}) as Record<string, unknown>;
  if (Type === "tree") return null;
  if (Type !== "blob") return undefined;
  const hex = typeof Sha256 === "string" ? Sha256.toLowerCase() : "";
  return listedFile(Path, Size, /^[0-9a-f]{64}$/.test(hex) ? { kind: "sha256", hex } : undefined);
}
