// The address holds what is shown: the view and its filter. So every state of the page can be linked to, and the browser's
// back and forward do what people expect.
import { useEffect, useState } from "../vendor/preact.js";

export const BASE = "/admin/queue-monitor";
export const VIEWS = ["overview", "jobs", "job", "queues", "workers", "audit"];

const listeners = new Set();

export function readAddress() {
  const params = new URLSearchParams(location.search);
  const view = VIEWS.includes(params.get("view")) ? params.get("view") : "overview";
  params.delete("view");
  return { view, params };
}

// `params`: an object whose values are texts or lists of texts; empty ones are left out.
export function hrefOf(view, params = {}) {
  const query = new URLSearchParams();
  if (view !== "overview") query.set("view", view);
  for (const [name, value] of Object.entries(params)) {
    for (const each of [value].flat()) if (each !== "" && each != null) query.append(name, each);
  }
  const text = query.toString();
  return text ? `${BASE}?${text}` : BASE;
}

// Each name with its list of values, as hrefOf takes them.
export function valuesOf(params) {
  return Object.fromEntries([...new Set(params.keys())].map((name) => [name, params.getAll(name)]));
}

export function navigate(href, { replace = false, state = null } = {}) {
  history[replace ? "replaceState" : "pushState"](state, "", href);
  for (const tell of listeners) tell();
}

export function useAddress() {
  const [address, setAddress] = useState(readAddress);
  useEffect(() => {
    const look = () => setAddress(readAddress());
    listeners.add(look);
    addEventListener("popstate", look);
    return () => {
      listeners.delete(look);
      removeEventListener("popstate", look);
    };
  }, []);
  return address;
}

// Lets plain links to the page's own views change the view without loading the page again.
export function followOwnLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const modified = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!link || modified || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.pathname !== BASE || url.hash) return;
    event.preventDefault();
    navigate(url.pathname + url.search);
  });
}
