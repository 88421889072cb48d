// A field of a filter. It keeps what is being typed while the page refreshes around it.
import { html, useEffect, useState } from "../vendor/preact.js";

export function TextField({ name, label, value, placeholder, input, onChange }) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const apply = () => draft.trim() !== value && onChange({ [name]: draft.trim() });
  return html`<label class="field">
    <span>${label}</span>
    <input
      ref=${input}
      name=${name}
      value=${draft}
      placeholder=${placeholder}
      maxlength="255"
      autocomplete="off"
      spellcheck=${false}
      onInput=${(event) => setDraft(event.target.value)}
      onChange=${apply}
      onKeyDown=${(event) => event.key === "Enter" && apply()}
    />
  </label>`;
}
