/** The formats of strings that are followed, as regular expressions of the whole text. Where readers differ, they describe what all of them take. */

const day31 = "(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])";
const day30 = "(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)";
const leapYear = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const date = `(?:\\d{4}-(?:${day31}|${day30}|02-(?:0[1-9]|1\\d|2[0-8]))|${leapYear}-02-29)`;
const time = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4 = `${byte}(?:\\.${byte}){3}`;
const hex = "[0-9a-fA-F]{1,4}";
const ipv6 = [
  `(?:${hex}:){7}${hex}`,
  ...Array.from({ length: 7 }, (_, n) => {
    const head = n === 0 ? "" : `${hex}(?::${hex}){0,${n - 1}}`;
    const tail = 6 - n;
    return `${head}::${tail === 0 ? "" : `(?:${hex}(?::${hex}){0,${tail - 1}})?`}`;
  }),
].join("|");
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
// No label begins with two characters and two hyphens: those are reserved for other alphabets.
const plainLabel =
  "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9]|[a-zA-Z0-9]{2}(?:[a-zA-Z0-9]|-[a-zA-Z0-9])(?:[a-zA-Z0-9]|-[a-zA-Z0-9]){0,28})";
const hostname = `${plainLabel}(?:\\.${plainLabel}){0,6}`;
const local = "[A-Za-z0-9!#$%&'*+/=?^_{|}~-]{1,20}";
const email = `${local}(?:\\.${local}){0,2}@(?:${plainLabel}\\.){1,4}[a-zA-Z]{2,24}`;
const escaped = "%[0-9a-fA-F]{2}";
const pchar = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${escaped})`;
const query = `(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|${escaped})*`;
const authority = `(?:${label})(?:\\.${label}){0,8}(?::\\d{1,4})?`;
const path = `(?:/${pchar}*)*`;
const suffix = `(?:\\?${query})?(?:#${query})?`;
const uri = `(?:[a-zA-Z][a-zA-Z0-9+.-]{0,20}://${authority}${path}|(?:mailto|urn|tel|data|file):${pchar}+(?:/${pchar}*)*)${suffix}`;
const reference = `(?:${uri}|(?:/${pchar}+(?:/${pchar}*)*|(?:[A-Za-z0-9._~-]|${escaped})+(?:/${pchar}*)*)${suffix})`;
const pointer = "(?:/(?:[^~/]|~[01])*)*";

export const stringFormats: Readonly<Record<string, string>> = {
  "date-time": `${date}T${time}`,
  date,
  time,
  duration:
    "P(?:\\d{1,4}W|(?:\\d{1,4}Y(?:\\d{1,4}M)?(?:\\d{1,4}D)?|\\d{1,4}M(?:\\d{1,4}D)?|\\d{1,4}D)(?:T(?:\\d{1,4}H(?:\\d{1,4}M)?(?:\\d{1,4}S)?|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}S))?|T(?:\\d{1,4}H(?:\\d{1,4}M)?(?:\\d{1,4}S)?|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}S))",
  email,
  "idn-email": email,
  hostname,
  "idn-hostname": hostname,
  "host-name": hostname,
  ipv4,
  "ip-address": ipv4,
  ipv6,
  uuid: "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
  uri,
  url: `(?:https?|ftp)://(?:[a-zA-Z0-9][a-zA-Z0-9-]{0,30}\\.){1,4}[a-zA-Z]{2,24}(?::\\d{2,4})?${path}${suffix}`,
  iri: uri,
  "uri-reference": reference,
  "iri-reference": reference,
  "json-pointer": pointer,
  "relative-json-pointer": `(?:0|[1-9]\\d{0,8})(?:#|${pointer})`,
  byte: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
  regex: "[A-Za-z0-9 _.^$-]*",
};

/** Formats of numbers that are limits. */
export const numberFormats: Readonly<Record<string, readonly [min: number, max: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

/** Formats that say how a value is shown or stored and forbid none. */
export const silentFormats: ReadonlySet<string> = new Set(["float", "double", "password", "binary"]);
