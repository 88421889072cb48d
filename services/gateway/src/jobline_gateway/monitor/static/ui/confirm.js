// Asks before an act, does it, and says in place when it failed.
import { html, useState } from "../vendor/preact.js";
import { refreshAll } from "../lib/live.js";
import { announce } from "./announcer.js";
import { Dialog } from "./dialog.js";

// `act(reason)`: does it; gives a promise. `reason`: the label of a field for one, if it takes one. `done`: what to say then.
export function Confirm({ title, verb, danger = false, reason, act, done, onClose, children }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const submit = (close) => async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await act(text.trim());
      announce(done);
      close();
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
      refreshAll();
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} testid="confirm">
    ${({ close }) => html`<form onSubmit=${submit(close)}>
      ${children}
      ${reason &&
      html`<label class="field">
        <span>${reason} <span class="faint">(optional)</span></span>
        <input name="reason" maxlength="255" value=${text} onInput=${(event) => setText(event.target.value)} />
      </label>`}
      ${error && html`<p class="notice bad" role="alert">${error.message}</p>`}
      <div class="buttons">
        <button type="button" onClick=${close}>Keep as it is</button>
        <button type="submit" class=${danger ? "primary danger" : "primary"} disabled=${busy} autofocus>${verb}</button>
      </div>
    </form>`}
  <//>`;
}
