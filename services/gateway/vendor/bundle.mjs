// Bundles the libraries of package-lock.json into the gateway's static/vendor, which is committed: nothing has to be built to
// run or to install the gateway. The same lock gives the same bytes; `make vendor` runs this.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = join(HERE, "../src/jobline_gateway/monitor/static/vendor");

const MODULES = { preact: "preact.entry.mjs", uPlot: "uplot" };
const STYLES = { "uPlot.css": "uplot/dist/uPlot.min.css" };

async function library(name) {
  const folder = join(HERE, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const text = (await readFile(join(folder, "LICENSE"), "utf8")).replaceAll("\r\n", "\n").trim();
  return { name, version, license, text };
}

async function bundle() {
  const entryPoints = Object.entries(MODULES).map(([out, name]) => ({ out, in: name.startsWith("preact.") ? join(HERE, name) : name }));
  await build({
    entryPoints,
    outdir: TARGET,
    absWorkingDir: HERE,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  for (const [out, file] of Object.entries(STYLES)) {
    await writeFile(join(TARGET, out), `${(await readFile(join(HERE, "node_modules", file), "utf8")).trim()}\n`);
  }
}

async function notices() {
  const { dependencies } = JSON.parse(await readFile(join(HERE, "package.json"), "utf8"));
  const libraries = await Promise.all(Object.keys(dependencies).sort().map(library));
  const versions = Object.fromEntries(libraries.map(({ name, version, license }) => [name, { version, license }]));
  await writeFile(join(TARGET, "versions.json"), `${JSON.stringify(versions, null, 2)}\n`);
  const chapters = libraries.map(({ name, version, license, text }) => `## ${name} ${version} (${license})\n\n\`\`\`text\n${text}\n\`\`\`\n`);
  await writeFile(join(TARGET, "LICENSES.md"), `# Libraries in this folder\n\nMade by \`make vendor\`.\n\n${chapters.join("\n")}`);
}

await rm(TARGET, { recursive: true, force: true });
await mkdir(TARGET, { recursive: true });
await bundle();
await notices();
