// JSON as a tree that folds. Branches are built when they are opened, and long lists a hundred at a time, so that a megabyte
// opens at once. Everything is text.
import { html, useMemo, useState } from "../vendor/preact.js";
import { integer } from "../lib/words.js";

const PART = 100;
const LONG_TEXT = 600;

class Exact {
  constructor(text) {
    this.text = text;
  }
}

// Numbers that a browser would round keep the digits they came with.
function keepDigits(_key, value, context) {
  return typeof value === "number" && context?.source && String(value) !== context.source ? new Exact(context.source) : value;
}

export function JsonTree({ text, label }) {
  const parsed = useMemo(() => {
    try {
      return { value: JSON.parse(text, keepDigits) };
    } catch {
      return { value: text };
    }
  }, [text]);
  return html`<div class="tree" role="group" aria-label=${label} data-testid="json-tree"><${Node} value=${parsed.value} open /></div>`;
}

function Node({ name, value, open = false }) {
  if (value === null || typeof value !== "object" || value instanceof Exact) {
    return html`<div class="leaf"><${Name} name=${name} /><${Leaf} value=${value} /></div>`;
  }
  return html`<${Branch} name=${name} value=${value} open=${open} />`;
}

const Name = ({ name }) => (name === undefined ? null : html`<span class="key">${name}</span><span class="faint">: </span>`);

function Branch({ name, value, open: first }) {
  const [open, setOpen] = useState(first);
  const [shown, setShown] = useState(PART);
  const list = Array.isArray(value);
  const entries = useMemo(() => Object.entries(value), [value]);
  const size = list ? `[ ${integer(entries.length)} ]` : `{ ${integer(entries.length)} }`;
  if (!entries.length) return html`<div class="leaf"><${Name} name=${name} /><span class="faint">${list ? "[ ]" : "{ }"}</span></div>`;
  return html`<details open=${first} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary><${Name} name=${name} /><span class="faint">${size}</span></summary>
    ${open && entries.slice(0, shown).map(([key, each]) => html`<${Node} key=${key} name=${key} value=${each} />`)}
    ${open &&
    entries.length > shown &&
    html`<button type="button" class="small quiet" onClick=${() => setShown(shown + PART)}>
      Show ${integer(Math.min(PART, entries.length - shown))} more of ${integer(entries.length - shown)}
    </button>`}
  </details>`;
}

function Leaf({ value }) {
  const [whole, setWhole] = useState(false);
  if (typeof value !== "string") return html`<span class="literal">${value instanceof Exact ? value.text : String(value)}</span>`;
  const long = value.length > LONG_TEXT && !whole;
  return html`<span class="string">${long ? `${value.slice(0, LONG_TEXT)}…` : value}</span>
    ${long &&
    html` <button type="button" class="small quiet" onClick=${() => setWhole(true)}>Show all ${integer(value.length)} characters</button>`}`;
}
