// The bar on top: where one is, whether the page is live, who one is.
import { html, useState } from "../vendor/preact.js";
import { hrefOf, navigate } from "../lib/address.js";
import { useKeys } from "../lib/keys.js";
import { useLive } from "../lib/live.js";
import { chooseTheme, chosenTheme, THEMES } from "../lib/theme.js";

const TABS = { overview: "Overview", jobs: "Jobs", queues: "Queues", workers: "Workers", audit: "Audit" };
const KEYS = { o: "overview", j: "jobs", q: "queues", w: "workers", a: "audit" };
const MODES = {
  connecting: { word: "connecting", title: "Connecting to the gateway" },
  live: { word: "live", title: "Changes are shown as they happen" },
  polling: { word: "every 5 s", title: "The live stream is down; the page asks every five seconds" },
  lost: { word: "offline", title: "The gateway does not answer; the page goes on trying" },
};

export function Header({ me, view }) {
  useKeys(Object.fromEntries(Object.entries(KEYS).map(([key, to]) => [`g ${key}`, () => (navigate(hrefOf(to)), true)])));
  const current = view === "job" ? "jobs" : view;
  return html`<header class="top">
    <a class="brand" href=${hrefOf("overview")}><span class="mark" aria-hidden="true"></span>Jobline</a>
    <nav aria-label="Views">
      ${Object.entries(TABS).map(
        ([name, title]) => html`<a key=${name} href=${hrefOf(name)} aria-current=${name === current ? "page" : undefined}>${title}</a>`,
      )}
    </nav>
    <div class="side">
      <${Mode} />
      <${Theme} />
      ${me && html`<${Person} me=${me} />`}
    </div>
  </header>`;
}

function Mode() {
  const { mode } = useLive();
  const { word, title } = MODES[mode];
  return html`<span class=${`mode ${mode}`} title=${title} data-testid="mode" data-mode=${mode}>${word}</span>`;
}

function Theme() {
  const [theme, setTheme] = useState(chosenTheme);
  const choose = (event) => {
    chooseTheme(event.target.value);
    setTheme(event.target.value);
  };
  return html`<select class="quiet" aria-label="Colours" value=${theme} onChange=${choose} data-testid="theme">
    ${THEMES.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
  </select>`;
}

function Person({ me }) {
  return html`<span class="person" title=${me.email || me.sub}><span class="clip">${me.email || me.sub}</span> <span class="tag" data-testid="role">${me.role}</span></span>
    <form method="post" action="/admin/session/end"><button class="small quiet">Sign out</button></form>`;
}
