// Pages by key: each knows the next one. The way back is kept with the browser's history entry, so it survives a reload.
import { html } from "../vendor/preact.js";
import { navigate } from "../lib/address.js";

// `hrefOf(cursor)`: the address of a page; the empty cursor is the first one's.
export function Pager({ cursor, next, hrefFor, shown }) {
  const trail = history.state?.trail ?? [];
  const go = (to, way) => (event) => {
    event.preventDefault();
    navigate(hrefFor(to), { state: { trail: way } });
    scrollTo({ top: 0 });
  };
  if (!cursor && !next) return null;
  const back = trail.at(-1) ?? "";
  return html`<nav class="pager" aria-label="Pages">
    ${cursor && html`<a class="button" href=${hrefFor("")}>First page</a>`}
    ${cursor && html`<a class="button" href=${hrefFor(back)} rel="prev" onClick=${go(back, trail.slice(0, -1))}>Previous page</a>`}
    <span class="faint">${shown} on this page</span>
    ${next && html`<a class="button" href=${hrefFor(next)} rel="next" onClick=${go(next, [...trail, cursor])}>Next page</a>`}
  </nav>`;
}
