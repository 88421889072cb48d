// Why a job is not running: every reason with its sentence, and links to what is in the way.
import { html } from "../vendor/preact.js";
import { hrefOf } from "../lib/address.js";
import { integer, shortId, WAIT_REASONS } from "../lib/words.js";
import { Eta, Time } from "./times.js";

export function Waiting({ job, reasons }) {
  if (job.state !== "pending") return null;
  return html`<section class="panel waiting" aria-label="Why it is not running" data-testid="waiting">
    <header>
      <h2>Why it is not running</h2>
      <p>
        ${job.position > 0 && html`position <b class="num" data-testid="position">${integer(job.position)}</b> in ${job.queue} · `}
        <${Eta} eta=${job.eta} />
      </p>
    </header>
    ${reasons.length === 0 && html`<p class="faint">Nothing is in its way: it starts within moments.</p>`}
    <ul class="reasons">
      ${reasons.map((reason) => html`<${Reason} key=${reason.code} reason=${reason} queue=${job.queue} />`)}
    </ul>
  </section>`;
}

const JobLink = ({ id }) => html`<a href=${hrefOf("job", { id })} title=${id}><code>${shortId(id)}</code></a>`;

// The sentence, with a link in place of each id in it.
function Sentence({ text, ids }) {
  if (!ids.length) return text;
  const parts = text.split(new RegExp(`(${ids.join("|")})`));
  return parts.map((part) => (ids.includes(part) ? html`<${JobLink} key=${part} id=${part} />` : part));
}

function Reason({ reason, queue }) {
  const { code, detail, jobIds, until, since } = reason;
  return html`<li data-testid="reason" data-code=${code}>
    <strong>${WAIT_REASONS[code] ?? code}</strong>
    <span><${Sentence} text=${detail} ids=${jobIds} /></span>
    ${until && html`<span class="faint">until <${Time} iso=${until} as="absolute" /> (<${Time} iso=${until} />)</span>`}
    ${since && html`<span class="faint">since <${Time} iso=${since} as="absolute" /></span>`}
    ${jobIds.filter((id) => !detail.includes(id)).map((id) => html`<${JobLink} key=${id} id=${id} />`)}
    ${code === "QUEUE_PAUSED" && html`<a href=${hrefOf("queues", { queue })}>To the queue</a>`}
    ${(code === "NO_WORKER" || code === "NO_CAPACITY") && html`<a href=${hrefOf("workers")}>To the workers</a>`}
  </li>`;
}
