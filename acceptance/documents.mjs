// Runs the examples of docs/clients: each block of code that is marked with "run", as it stands, against the daemon of the acceptance run. The
// address is that of the daemon, and "openai" of Node is the version that runs here.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url)), docs = resolve(here, "../docs/clients"), dir = process.argv[2];
const scout = resolve(here, "../bin");
mkdirSync(dir, { recursive: true });
symlinkSync(process.env.SCOUT_CLIP, join(dir, "jfk.wav"));
const adapted = (text) => text.replaceAll("http://127.0.0.1:7268", process.env.SCOUT_HTTP).replaceAll("ws://127.0.0.1:7268", process.env.SCOUT_HTTP.replace("http", "ws")).replaceAll("https://localhost:7268", process.env.SCOUT_HTTPS);
const how = {
  js: (code) => { const file = join(here, "node", "example.tmp.mjs"); writeFileSync(file, code.replace(/from "openai([/"])/g, 'from "openai-6$1')); return [[process.execPath, file], () => rmSync(file)]; },
  python: (code, name) => { const file = join(dir, "example.py"); writeFileSync(file, code); return [[join(here, "python/venv", name, "bin/python"), file], () => {}]; },
  go: (code) => { const folder = join(here, "go", ".example"); mkdirSync(folder, { recursive: true }); writeFileSync(join(folder, "main.go"), code); return [["sh", "-c", `go build -C ${join(here, "go")} -o ${join(dir, "example")} ./.example && ${join(dir, "example")}`], () => rmSync(folder, { recursive: true })]; },
  sh: (code) => [["bash", "-euo", "pipefail", "-c", code.replaceAll("curl ", "curl -sSf ")], () => {}],
};
let failed = 0;
for (const page of readdirSync(docs).sort()) {
  let n = 0;
  for (const [, kind, name, code] of readFileSync(join(docs, page), "utf8").matchAll(/^```(\w+) run ?(\S*)\n(.*?)^```$/gms)) {
    const [[program, ...rest], clean] = how[kind](adapted(code), name);
    const got = spawnSync(program, rest, { cwd: dir, encoding: "utf8", timeout: 120_000, env: { ...process.env, PATH: `${scout}:${process.env.PATH}` } });
    clean();
    const title = `${page}, example ${++n}`;
    const wanted = /jfk\.wav/.test(code) ? /ask not what/i : /(?:)/;
    if (got.error?.code === "ENOENT") console.log(`skip - ${title}: ${program} is not there`);
    else if (got.status === 0 && wanted.test(got.stdout)) console.log(`ok - ${title}`);
    else { failed++; console.log(`not ok - ${title}: ${String(got.error ?? `exit ${got.status ?? got.signal}: ${got.stderr} ${got.stdout}`).replaceAll("\n", " ").slice(0, 300)}`); }
  }
}
process.exit(failed > 0 ? 1 : 0);
