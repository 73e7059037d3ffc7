// Runs the clients of other people against a daemon of its own, and prints one table: client, version, what ran, result. Called by
// scripts/acceptance.sh, which installs the clients. A client that is not there is a line with the reason; only one that fails makes the exit code 1.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url)), root = resolve(here, "..");
const scout = join(root, "bin/scout"), clip = join(root, "testdata/jfk.wav");
const wanted = process.argv.slice(2); // names of clients; all without
const dir = mkdtempSync(join(tmpdir(), "sa"));
const rows = [];

// version is that of an installed package of npm.
const version = (name) => { try { return JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"))).version; } catch { return ""; } };
// engines is what a package says that it needs.
const engines = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"))).engines?.node ?? "";
// has tells whether a program is on the PATH.
const has = (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

// row notes what became of a client.
function row(client, of, what, result, details = []) {
  if (wanted.length > 0 && !wanted.some((w) => client.includes(w))) return;
  rows.push({ client, version: of, what, result });
  console.log(`${result.startsWith("ok") ? "ok  " : result.startsWith("absent") ? "    " : "FAIL"}  ${client} ${of}: ${what}: ${result}`);
  for (const line of details) console.log(`        ${line}`);
}

// run runs a program whose lines say what became of each check, and notes it.
function run(client, of, what, program, arguments_, env = {}, options = {}) {
  if (wanted.length > 0 && !wanted.some((w) => client.includes(w))) return; // it costs minutes
  const began = Date.now();
  const got = spawnSync(program, arguments_, { env: { ...process.env, ...scoutEnv, ...env }, encoding: "utf8", timeout: 600_000, maxBuffer: 64 << 20, ...options });
  const lines = (got.stdout ?? "").split("\n");
  const good = lines.filter((l) => /^(ok - |--- PASS|    --- PASS)/.test(l)).length, skipped = lines.filter((l) => l.startsWith("skip - "));
  const bad = lines.filter((l) => /^(not ok - |--- FAIL|    --- FAIL)/.test(l));
  const details = [...bad, ...skipped];
  if (got.error || (got.status !== 0 && bad.length === 0)) details.push(`it ended with ${got.status ?? got.signal}: ${(got.stderr ?? "").trim().split("\n").slice(-3).join(" | ")}`);
  if (bad.length > 0 && options.tell) details.push(...lines.filter((l) => /^\s+\w+_test\.go/.test(l)).map((l) => l.trim().slice(0, 300)));
  const failed = details.length > skipped.length;
  row(client, of, `${what} (${good + bad.length} checks, ${((Date.now() - began) / 1000).toFixed(0)} s)`, failed ? `failed: ${bad.length || "it did not end in order"}` : `ok${skipped.length ? `, ${skipped.length} skipped` : ""}`, details);
}

const owner = (...args) => execFileSync(scout, args, { env: scoutEnv2, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const free = () => Number(execFileSync(process.execPath, ["-e", "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })"]));

const port = free();
const models = process.env.SCOUT_MODELS ?? join(root, "var/models");
const scoutEnv2 = { ...process.env, SCOUT_DATA: join(dir, "d"), SCOUT_MODELS: models, XDG_CONFIG_HOME: join(dir, "c"), XDG_RUNTIME_DIR: dir, SCOUT_CONFIG: "", SCOUT_TLS__MODE: "auto", SCOUT_HTTP__ADDR: `127.0.0.1:${port}` };
const log = join(dir, "log");
const daemon = spawn(scout, ["serve", "--log-file", log], { env: scoutEnv2, stdio: "ignore" });
let scoutEnv = {};

async function begin() {
  for (let i = 0; ; i++) {
    try { if ((await fetch(`http://127.0.0.1:${port}/readyz`)).ok) break; } catch { /* it is starting */ }
    if (i > 300 || daemon.exitCode !== null) throw new Error(`the daemon did not start: ${existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(-3) : ""}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  const key = owner("keys", "create", "acceptance").trim(), ownerKey = owner("keys", "create", "acceptance-owner", "--role", "owner").trim(), ca = owner("tls", "ca").trim();
  const formats = [];
  if (has("ffmpeg")) {
    for (const [ending, ...how] of [["flac"], ["mp3"], ["m4a"], ["ogg"], ["webm", "-c:a", "libopus"], ["mp4", "-vn"]]) {
      const path = join(dir, `jfk.${ending}`);
      if (spawnSync("ffmpeg", ["-loglevel", "error", "-i", clip, ...how, path]).status === 0) formats.push(path);
    }
  }
  scoutEnv = { SCOUT_HTTP: `http://127.0.0.1:${port}`, SCOUT_HTTPS: `https://localhost:${port}`, SCOUT_KEY: key, SCOUT_OWNER_KEY: ownerKey, SCOUT_CLIP: clip, SCOUT_FORMATS: formats.join(" "), NODE_EXTRA_CA_CERTS: ca, SSL_CERT_FILE: ca, NODE_NO_WARNINGS: "1" };
}

function clients() {
  const node = (file, ...rest) => [process.execPath, [join(here, "node", file), ...rest]];
  if (version("openai-6")) {
    for (const name of ["openai-6", "openai-7"]) {
      const asks = engines(name), note = name === "openai-7" ? ` (it asks for Node ${asks}, this is ${process.versions.node})` : "";
      run("openai (Node)", version(name), `files, streams, errors${note}`, ...node("openai.mjs", name));
      run("openai (Node), realtime", version(name), `sessions over TLS, both dialects, browser subprotocol${note}`, ...node("realtime.mjs", name));
    }
    run("Vercel AI SDK", `${version("ai")}, @ai-sdk/openai ${version("@ai-sdk/openai")}`, "transcribe()", ...node("ai-sdk.mjs"));
    run("tus-js-client, eventsource, standardwebhooks", `${version("tus-js-client")}, ${version("eventsource")}, ${version("standardwebhooks")}`, "resumed uploads, events again, verified deliveries", ...node("standards.mjs"));
    run("load of whisper.cpp's script", "", "4 and 200 users: 200 and 429 alone", ...node("load.mjs"));
    run("LiveKit agents (Node)", version("@livekit/agents-plugin-openai"), "STT, file and stream", ...node("livekit.mjs"));
  } else {
    row("clients of Node", "", "", "absent: npm could not install them (.tools/acceptance-npm.log)");
  }
  if (has("go")) {
    const mods = readFileSync(join(here, "go/go.mod"), "utf8"), of = (name) => mods.match(new RegExp(`${name} (v\\S+)`))?.[1] ?? "";
    const built = spawnSync("go", ["test", "-c", "-o", join(dir, "go.test"), "."], { cwd: join(here, "go"), encoding: "utf8", env: { ...process.env, GOFLAGS: "-mod=readonly" } });
    if (built.status === 0) {
      run("openai-go", of("openai-go/v3"), "New, NewStreaming, Post, Realtime.Connect, upstream's tests", join(dir, "go.test"), ["-test.v", "-test.run", "^Test(New|Post|Errors|Model|Realtime)"], {}, { tell: true });
      run("go-openai", of("go-openai"), "all formats, errors, models", join(dir, "go.test"), ["-test.v", "-test.run", "^TestGoOpenAI"], {}, { tell: true });
    } else row("clients of Go", "", "", `absent: ${built.stderr.trim().split("\n").at(-1)}`);
  }
  for (const [name, client, what, file] of [["openai-3", "openai (Python)", "files, streams, errors, realtime", "openai_files.py"], ["openai-1", "openai (Python)", "files, errors", "openai_files.py"], ["livekit", "LiveKit agents (Python)", "STT, file and stream", "livekit_stt.py"], ["pipecat", "Pipecat", "STT, segment and realtime", "pipecat_stt.py"]]) {
    const python = join(here, "python/venv", name, "bin/python");
    if (!existsSync(python)) { row(client, name, what, `absent: pip could not install it (.tools/acceptance-${name}.log)`); continue; }
    const list = readFileSync(join(here, "python", `${name}.txt`), "utf8");
    const package_ = { livekit: "livekit-plugins-openai", pipecat: "pipecat-ai" }[name] ?? "openai";
    run(client, list.match(new RegExp(`^${package_}(?:\\[\\w+\\])?==(\\S+)`, "m"))?.[1] ?? "", what, python, [join(here, "python", file)]);
  }
  if (has("curl")) run("curl", execFileSync("curl", ["--version"], { encoding: "utf8" }).split(" ")[1], "the examples, arrays, no model, Range, -N; Open WebUI's request", "bash", [join(here, "curl.sh")]);
  else row("curl", "", "", "absent: it is not installed");
  run("docs/clients", "", "every example of these pages", process.execPath, [join(here, "documents.mjs"), join(dir, "examples")], { SCOUT_DATA: scoutEnv2.SCOUT_DATA, SCOUT_TLS__MODE: "auto", SCOUT_HTTP__ADDR: scoutEnv2.SCOUT_HTTP__ADDR, XDG_CONFIG_HOME: scoutEnv2.XDG_CONFIG_HOME });
  row("Prism, with OpenAI's document", "", "", "absent: that document is in no registry of packages, and not in this repository");
  promtool();
}

// promtool is Prometheus' own judgement of the metrics: their names, their help, the text format.
function promtool() {
  const ours = join(root, ".tools/bin/promtool"), program = has("promtool") ? "promtool" : existsSync(ours) ? ours : "";
  if (program === "") {
    const log = join(root, ".tools/acceptance-promtool.log"), why = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").at(-1) : "it is not installed (Debian: prometheus)";
    row("promtool", "", "check metrics, test rules", `absent, so it did not run: ${why}`);
  } else {
    const told = spawnSync(program, ["--version"], { encoding: "utf8" }), of = `${told.stdout}${told.stderr}`.match(/version (\S+)/)?.[1] ?? "";
    run("promtool", of, "check metrics", "bash", ["-c", `set -o pipefail
      text=$(curl -sS --fail -H "Authorization: Bearer $SCOUT_KEY" "$SCOUT_HTTP/metrics") && grep -q '^scout_http_requests_total' <<<"$text" || { echo "not ok - the metrics came"; exit 1; }
      said=$("$0" check metrics <<<"$text" 2>&1) && echo "ok - check metrics" || { echo "not ok - check metrics: $said"; exit 1; }`, program]);
    run("promtool", of, "check rules, test rules", "bash", ["-c", `for what in "check rules scout.rules.yml" "test rules scout.rules_test.yml"; do
      said=$("$0" $what 2>&1) && echo "ok - $what" || { echo "not ok - $what: $(tr '\n' ' ' <<<"$said")"; failed=1; }
    done; exit "\${failed:-0}"`, program], {}, { cwd: join(root, "packaging/prometheus") });
  }
}

let code = 0;
try {
  await begin();
  clients();
} catch (error) {
  console.error(`acceptance: ${error.message}`);
  code = 2;
} finally {
  if (daemon.exitCode === null) {
    daemon.kill("SIGTERM");
    await new Promise((done) => daemon.once("exit", done));
  }
  const log_ = existsSync(log) ? readFileSync(log, "utf8").split("\n").filter((l) => /level=ERROR|panic/.test(l)) : [];
  if (log_.length > 0) { console.log("in the daemon's log:"); for (const l of log_.slice(0, 20)) console.log(`  ${l.slice(0, 300)}`); }
  rmSync(dir, { recursive: true, force: true });
}
const widths = ["client", "version", "what"].map((k) => Math.max(k.length, ...rows.map((r) => r[k].length)));
const line = (r) => console.log(`| ${r.client.padEnd(widths[0])} | ${r.version.padEnd(widths[1])} | ${r.what.padEnd(widths[2])} | ${r.result} |`);
console.log();
line({ client: "client", version: "version", what: "what ran", result: "result" });
line({ client: "-".repeat(widths[0]), version: "-".repeat(widths[1]), what: "-".repeat(widths[2]), result: "---" });
rows.forEach(line);
process.exitCode = code || (rows.some((r) => r.result.startsWith("failed")) ? 1 : 0);
