// A table that becomes a stack of cards on a narrow screen. The roles are spelled out, because a browser forgets that something
// is a table when the style sheet lays it out as cards. `look`: "even" has columns as wide as in the table beside it,
// "figures" puts figures side by side on a card.
import { html } from "../vendor/preact.js";

const NEXT = { ascending: "descending", descending: "ascending" };

// A column: {id, name, cell(row), tone?, order?, hidden?}. `tone`: classes ("num", "lead", "acts", …); `order`: what sorts by it; `hidden`: a
// name that only screen readers need. `sort`: {order, dir, href(order, dir)}.
export function Table({ label, columns, rows, keyOf, sort, look = "", testid = "table", rowTestid = "row", stale = false }) {
  return html`<table role="table" class=${["grid", look, stale && "stale"].filter(Boolean).join(" ")} aria-label=${label} aria-busy=${stale} data-testid=${testid}>
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => html`<${Head} key=${column.id} column=${column} sort=${sort} />`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map(
        (row) => html`<tr role="row" key=${keyOf(row)} data-id=${keyOf(row)} data-testid=${rowTestid}>
          ${columns.map(
            ({ id, name, tone, cell }) => html`<td role="cell" key=${id} class=${tone} data-label=${name}>${cell(row)}</td>`,
          )}
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function Head({ column, sort }) {
  const { name, tone, order, hidden } = column;
  const words = hidden ? html`<span class="unseen">${name}</span>` : name;
  if (!sort || !order) return html`<th role="columnheader" scope="col" class=${tone}>${words}</th>`;
  const dir = sort.order === order ? (sort.dir === "asc" ? "ascending" : "descending") : undefined;
  const next = dir ? NEXT[dir] : "descending";
  return html`<th role="columnheader" scope="col" class=${tone} aria-sort=${dir}>
    <a href=${sort.href(order, next === "ascending" ? "asc" : "desc")} title=${`Sort by ${name.toLowerCase()}, ${next}`}>
      ${words}<span class="arrow" aria-hidden="true">${dir === "ascending" ? "↑" : dir ? "↓" : ""}</span>
    </a>
  </th>`;
}
