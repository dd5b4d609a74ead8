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
