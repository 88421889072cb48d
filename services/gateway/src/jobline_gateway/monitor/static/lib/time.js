// Times and durations in words. Durations are in seconds.

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];
const THIN = "\u202f";

const pad = (number) => String(number).padStart(2, "0");

// "0.42 s", "12 s", "1 min 20 s", "2 h 5 min": at most two units.
export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "–";
  if (seconds < 0.0005) return `0${THIN}s`;
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))}${THIN}ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}${THIN}s`;
  const whole = Math.round(seconds);
  const first = UNITS.findIndex(([, size]) => whole >= size);
  const [name, size] = UNITS[first];
  const rest = UNITS[first + 1];
  const count = rest ? Math.floor((whole % size) / rest[1]) : 0;
  const head = `${Math.floor(whole / size)}${THIN}${name}`;
  return count ? `${head} ${count}${THIN}${rest[0]}` : head;
}

// As duration, in one unit: for where a rough figure is enough.
export function roughly(seconds) {
  if (seconds == null) return "–";
  return seconds >= 1 && seconds < 10 ? `${Math.round(seconds)}${THIN}s` : duration(seconds).split(" ")[0];
}

// "12 s ago", "in 3 min".
export function relative(milliseconds, from) {
  const seconds = Math.round((milliseconds - from) / 1000);
  if (Math.abs(seconds) < 1) return "just now";
  const words = roughly(Math.abs(seconds));
  return seconds < 0 ? `${words} ago` : `in ${words}`;
}

// "2026-11-22 17:30:02" in the browser's time zone.
export function absolute(iso) {
  const date = new Date(iso);
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join("-");
  return `${day} ${timeOfDay(iso)}`;
}

export function timeOfDay(iso) {
  const date = new Date(iso);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");
}

// For a title: with the zone, so that nobody has to guess.
export function exact(iso) {
  const minutes = -new Date(iso).getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  return `${absolute(iso)} UTC${sign}${pad(Math.floor(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}`;
}

// A time as <input type="datetime-local"> writes it, and back. What an address says may be no time.
export const toLocalInput = (iso) => (Number.isNaN(Date.parse(iso)) ? "" : absolute(iso).replace(" ", "T").slice(0, 16));
export const fromLocalInput = (text) => (text ? new Date(text).toISOString() : "");
