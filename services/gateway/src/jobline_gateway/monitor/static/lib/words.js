// The words for states, reasons and numbers.

// The core's states, as the page calls them. The signs are those of the product's description.
export const STATES = {
  pending: { word: "PENDING", sign: "🟡", tone: "yellow" },
  running: { word: "PROCESSING", sign: "🔵", tone: "blue" },
  succeeded: { word: "COMPLETED", sign: "🟢", tone: "green" },
  failed: { word: "FAILED", sign: "🔴", tone: "red" },
  cancelled: { word: "CANCELLED", sign: "⚪", tone: "grey" },
};

export const stateOfWord = (word) => Object.keys(STATES).find((state) => STATES[state].word === word) ?? "pending";

export const mayRetry = (state) => state === "failed" || state === "cancelled";
export const mayCancel = (state) => state === "pending" || state === "running";

export const ETA_REASONS = {
  QUEUE_PAUSED: "the queue is paused",
  NO_WORKER: "no worker takes it",
  NO_HISTORY: "no run has ended yet",
};

export const WAIT_REASONS = {
  DELAYED: "Scheduled",
  BACKOFF: "Backing off after a failed run",
  ROW_LOCKED: "Its row is locked",
  QUEUE_PAUSED: "The queue is paused",
  QUEUE_LIMIT: "The queue's limit is reached",
  KEY_LIMIT: "Its key is held by another job",
  RATE_LIMIT: "The queue's rate is used up",
  NO_WORKER: "No worker takes it",
  NO_CAPACITY: "Every worker is busy",
  BEHIND_OTHERS: "Others are before it",
  NEXT: "It is next",
  CLAIMING: "It is being handed to a worker",
  CHANGING: "It is being changed",
};

const INTEGERS = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const FINE_PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

export const integer = (number) => (number == null ? "–" : INTEGERS.format(number));
export const compact = (number) => (number == null ? "–" : number < 10_000 ? integer(number) : COMPACT.format(number));
export const percent = (share) => PERCENT.format(share);
export const finePercent = (share) => FINE_PERCENT.format(share);
export const plural = (count, one, many = `${one}s`) => `${integer(count)} ${count === 1 ? one : many}`;

// One figure behind the point below ten, none above.
export const rate = (number) => (number == null ? "–" : number < 9.95 ? String(Math.round(number * 10) / 10) : compact(Math.round(number)));

export const shortId = (id) => (id.length > 13 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);
