// What a view says when it has nothing to show: it failed, there is nothing, or it is on its way.
import { html } from "../vendor/preact.js";

const TITLES = { 401: "You are signed out", 403: "Not allowed", 404: "Not found", 422: "Too much to look through", 503: "Not available" };

export function Failure({ error }) {
  if (!error) return null;
  return html`<div class="notice bad" role="alert" data-testid="failure">
    <strong>${TITLES[error.status] ?? "That failed"}</strong>
    <span>${error.message}</span>
    ${error.status === 401 && html`<a href=${location.href} target="_self">Sign in again</a>`}
  </div>`;
}

export const Empty = ({ children }) => html`<p class="empty" data-testid="empty">${children}</p>`;

// Grey lines about as high as what will come, so that little moves when it comes.
export function Loading({ lines = 6, label = "Loading" }) {
  return html`<div class="loading" role="status" aria-label=${label} data-testid="loading">
    ${Array.from({ length: lines }, (_, index) => html`<span key=${index}></span>`)}
  </div>`;
}
