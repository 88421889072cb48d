// The gateway's JSON. Every refusal becomes an ApiError whose message may be shown as it is.
import { BASE } from "./address.js";

const API = `${BASE}/api`;
export const STREAM = `${API}/stream`;

export class ApiError extends Error {
  constructor(status, message, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

const UNREACHABLE = "The gateway does not answer. The page goes on trying.";

function urlOf(path, params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params ?? {})) {
    for (const each of [value].flat()) if (each !== "" && each != null) query.append(name, each);
  }
  const root = path.startsWith("/") ? path : `${API}/${path}`;
  return query.size ? `${root}?${query}` : root;
}

async function call(path, params, options) {
  let response;
  try {
    response = await fetch(urlOf(path, params), { credentials: "same-origin", ...options });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new ApiError(0, UNREACHABLE);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(response.status, body.error || `The gateway answers with status ${response.status}`, body);
}

const jsonBody = (body, signal) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body ?? {}),
  signal,
});

export const get = async (path, params, signal) => (await call(path, params, { signal })).json();

export const post = async (path, body, params) => (await call(path, params, jsonBody(body))).json();

export const addressOf = urlOf;

// Calls `onLine` with each line of an answer of many JSON lines, as they come.
export async function postForLines(path, body, onLine, signal) {
  const response = await call(path, undefined, jsonBody(body, signal));
  let rest = "";
  for await (const text of chunksOf(response.body)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(line, onLine);
  }
  if (rest) take(rest, onLine);
}

function take(line, onLine) {
  const value = JSON.parse(line);
  if (value.error) throw new ApiError(200, value.error, value);
  onLine(value);
}

// Not every browser can iterate over a stream.
async function* chunksOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}
