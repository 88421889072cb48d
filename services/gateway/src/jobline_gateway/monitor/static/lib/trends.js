// Arithmetic on what a queue did, point by point. No page here.
import { now } from "./clock.js";

const LEAST = 10;

// How many a minute; a stretch under way counts as long as it has lasted, and says nothing while that is too short.
export function perMinute(point, field) {
  const lasted = Math.min(point.seconds, now() / 1000 - Date.parse(point.time) / 1000);
  return lasted < LEAST ? null : (point[field] / lasted) * 60;
}

// Runs that ended with an error, whether they were tried again or not, among all that ended by themselves.
export function failureShare({ succeeded, failed, retried }) {
  const ended = succeeded + failed + retried;
  return ended ? (failed + retried) / ended : null;
}

export const endedRuns = ({ succeeded, failed, retried }) => succeeded + failed + retried;
