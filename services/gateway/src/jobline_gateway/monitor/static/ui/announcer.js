// Says in passing what an act has done, to eyes and to screen readers.
import { html, useEffect, useState } from "../vendor/preact.js";

const SHOWN = 6000;
let tell = () => {};

export const announce = (text) => tell(text);

export function Announcer() {
  const [said, setSaid] = useState(null);
  useEffect(() => {
    tell = (text) => setSaid({ text });
    return () => (tell = () => {});
  }, []);
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(null), SHOWN);
    return () => clearTimeout(timer);
  }, [said]);
  return html`<p class=${said ? "toast shown" : "toast"} role="status" data-testid="announcement">${said?.text}</p>`;
}
