/** Draws a bar of 24 characters; `share` is from 0 to 1. */
export function progressBar(share: number): string {
  const width = 24;
  return "█".repeat(Math.round(share * width)).padEnd(width, "░");
}

/** Formats a duration, rounded up: 37 gives "37 s", 400 "7 min", 4000 "1 h 7 min". */
export function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600 ? `${Math.ceil(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.ceil((s % 3600) / 60)} min`;
}

/** Formats a time for this user: "2026-11-27 14:05" in the local zone. */
export function localTime(time: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Formats a share of one: 0.9321 gives "93.2 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Formats a time in a clip, to a tenth of a second where it has one: 61.5 gives "1:01.5", 3600 "1:00:00". */
export function clock(seconds: number): string {
  const tenths = Math.round(seconds * 10);
  const s = Math.floor(tenths / 10);
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = s < 3600 ? `${Math.floor(s / 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}`;
  return `${minutes}:${two(s % 60)}${tenths % 10 ? `.${tenths % 10}` : ""}`;
}
