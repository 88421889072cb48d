// The keys that work here, shown on `?`; and the switch for whom they are in the way.
import { html, useState } from "../vendor/preact.js";
import { shortcutsAreOn, switchShortcuts, useKeys } from "../lib/keys.js";
import { Dialog } from "./dialog.js";

const ANYONE = [
  ["?", "this help"],
  ["g o", "overview"],
  ["g j", "jobs"],
  ["g q", "queues"],
  ["g w", "workers"],
  ["g a", "audit log"],
  ["/", "to the filter"],
  ["j", "next row"],
  ["k", "previous row"],
  ["Enter", "open the row"],
  ["Esc", "close a dialog"],
];
const ADMINS = [
  ["r", "retry the row's job, or this one"],
  ["c", "cancel the row's job, or this one"],
];

export function Help({ canAct }) {
  const [open, setOpen] = useState(false);
  const [on, setOn] = useState(shortcutsAreOn);
  useKeys({ "?": () => (setOpen(true), true) });
  const flip = () => {
    switchShortcuts(!on);
    setOn(!on);
  };
  const keys = canAct ? [...ANYONE, ...ADMINS] : ANYONE;
  return html`<footer class="bottom">
    <button type="button" class="small quiet" onClick=${() => setOpen(true)}>Keyboard <kbd>?</kbd></button>
    ${open &&
    html`<${Dialog} title="Keyboard" onClose=${() => setOpen(false)} testid="help">
      ${({ close }) => html`<dl class="keys">
          ${keys.map(
            ([key, words]) => html`<div key=${key}>
              <dt>${key.split(" ").map((each) => html`<kbd key=${each}>${each}</kbd> `)}</dt>
              <dd>${words}</dd>
            </div>`,
          )}
        </dl>
        <label class="check"><input type="checkbox" checked=${on} onChange=${flip} /> Single-key shortcuts are on</label>
        <div class="buttons"><button type="button" class="primary" autofocus onClick=${close}>Close</button></div>`}
    <//>`}
  </footer>`;
}
