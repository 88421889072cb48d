// The queue monitor's page: a header, one view at a time, and what is the same for all of them.
import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { followOwnLinks, useAddress } from "./lib/address.js";
import { get } from "./lib/api.js";
import { startLive } from "./lib/live.js";
import { Me } from "./lib/me.js";
import { Announcer } from "./ui/announcer.js";
import { Header } from "./ui/header.js";
import { Help } from "./ui/help.js";
import { Failure, Loading } from "./ui/notice.js";
import { Audit } from "./views/audit.js";
import { JobView } from "./views/job.js";
import { Jobs } from "./views/jobs.js";
import { Overview } from "./views/overview.js";
import { Queues } from "./views/queues.js";
import { Workers } from "./views/workers.js";

const VIEWS = {
  overview: { title: "Overview", show: Overview },
  jobs: { title: "Jobs", show: Jobs },
  job: { title: "Job", show: JobView },
  queues: { title: "Queues", show: Queues },
  workers: { title: "Workers", show: Workers },
  audit: { title: "Audit log", show: Audit },
};

function App() {
  const [me, setMe] = useState(null);
  const [error, setError] = useState(null);
  const { view, params } = useAddress();
  const main = useRef(null);
  const first = useRef(true);
  const place = view === "job" ? `job ${params.get("id")}` : view;

  useEffect(() => void get("me").then(setMe, setError), []);
  useEffect(() => {
    document.title = `${VIEWS[view].title} · Jobline`;
    // Whoever follows a link hears where they are now, as with a page that is loaded.
    if (!first.current) main.current?.querySelector("h1")?.focus();
    first.current = first.current && !me;
  }, [place, me]);

  const { show: View } = VIEWS[view];
  return html`<${Me.Provider} value=${me}>
    <a class="skip" href="#main">To the content</a>
    <${Header} me=${me} view=${view} />
    <main id="main" ref=${main} tabindex="-1">
      <${Failure} error=${error} />
      ${!me && !error && html`<${Loading} lines=${12} />`}
      ${me && html`<${View} key=${place} params=${params} />`}
    </main>
    <${Announcer} />
    <${Help} canAct=${me?.canAct ?? false} />
  <//>`;
}

followOwnLinks();
startLive();
render(html`<${App} />`, document.getElementById("app"));
