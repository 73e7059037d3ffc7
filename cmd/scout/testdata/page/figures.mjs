// Measures the page: scripts/page-figures.sh starts it.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { open } from "./browser.mjs";
import { figures as library } from "./library-figures.mjs";
import { fromBrowser, tap } from "./now.mjs";
import { calibrated, percentile, told, traced } from "./trace.mjs";

const given = JSON.parse(readFileSync(0, "utf8"));
const rounds = Number(process.env.ROUNDS);
const print = (name, value, limit, ok, note = "") => {
  if (!ok) process.exitCode = 1;
  console.log(`${name.padEnd(52)} ${value.padStart(12)}  ${limit.padEnd(12)} ${ok ? "ok   " : "SHORT"}  ${note}`);
};
const wanted = new Set((process.env.FIGURES ?? "start,dictation,library,words").split(","));

// Size.
const assets = join(given.site, "assets");
const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
print("scripts with gzip, all places", `${(bytes / 1000).toFixed(1)} kB`, "< 200 kB", bytes < 200_000);

const house = await open(given);
try {
  let page = await house.page();
  const loop = await calibrated(page);
  console.log(`the work of one loop takes ${loop.toFixed(2)} ms in a page here: figures compare as multiples of it`);
  await page.close();

  // From navigation to the first response to a key: the shortcuts are on the screen.
  if (wanted.has("start")) {
    const all = [];
    let shift = 0;
    for (let i = 0; i < 20; i++) {
      page = await house.owner.newPage();
      await page.addInitScript(() => {
        new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.shift = (window.shift ?? 0) + (e.hadRecentInput ? 0 : e.value)))).observe({ type: "layout-shift", buffered: true });
        const press = setInterval(() => {
          if (document.querySelector("dialog[open]")) {
            window.answered = performance.now();
            clearInterval(press);
          } else document.body?.dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true }));
        }, 5);
      });
      await page.goto(house.way.url);
      await page.waitForFunction(() => window.answered);
      await page.waitForTimeout(500);
      all.push(await page.evaluate(() => {
        const [nav] = performance.getEntriesByType("navigation");
        const scripts = performance.getEntriesByType("resource").filter((e) => e.initiatorType === "script" || e.initiatorType === "link");
        return { answer: window.answered, document: nav.responseEnd, scripts: Math.max(...scripts.map((e) => e.responseEnd)), paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0 };
      }));
      shift = Math.max(shift, await page.evaluate(() => window.shift ?? 0));
      await page.close();
    }
    const of = (name, p) => percentile(all.map((one) => one[name]), p);
    print("navigation to the answer to a key, p95 of 20", `${of("answer", 0.95).toFixed(0)} ms`, "< 500 ms", of("answer", 0.95) < 500,
      `p50 ${of("answer", 0.5).toFixed(0)} ms = ${(of("answer", 0.5) / loop).toFixed(0)} loops: document ${of("document", 0.5).toFixed(0)}, scripts ${of("scripts", 0.5).toFixed(0)}, first paint ${of("paint", 0.5).toFixed(0)}`);
    // What the page itself does of it, by the processor's time.
    page = await house.owner.newPage();
    const start = await traced(house.browser, page, async () => {
      await page.goto(house.way.url);
      await page.locator(".frame > nav").waitFor();
      await page.waitForTimeout(300);
    });
    await page.close();
    console.log(`    the page itself takes ${start.cpu.toFixed(0)} ms of the processor = ${(start.cpu / loop).toFixed(1)} loops; its heaviest task ${start.heaviest.cpu.toFixed(0)} ms: ${told(start.heaviest)}`);
    print("layout shift while the page loads, most of 20", shift.toFixed(3), "0", shift < 0.001);
  }

  if (wanted.has("dictation")) {
    // From the stop to the final text, with the browser's microphone.
    const texts = [];
    page = await house.page();
    await fromBrowser(page);
    for (let i = 0; i < rounds; i++) {
      await page.locator(".record").focus();
      await tap(page);
      await page.locator(".says", { hasText: "Listening" }).waitFor();
      await page.waitForTimeout(2000 + (i % 5) * 1000);
      await page.locator(".record").focus();
      await tap(page);
      await page.waitForFunction(() => document.querySelector("[data-stop-to-text]"));
      texts.push(Number(await page.locator("[data-stop-to-text]").getAttribute("data-stop-to-text")));
    }
    await page.close();
    print(`browser: stop to final text, p95 of ${rounds}`, `${percentile(texts, 0.95).toFixed(0)} ms`, "< 400 ms", percentile(texts, 0.95) < 400, `p50 ${percentile(texts, 0.5).toFixed(0)} ms, longest ${Math.max(...texts).toFixed(0)} ms`);
  }
  if (wanted.has("library")) await library(house, print, { count: Number(process.env.TEXTS ?? 10_000) });
} finally {
  await house.close();
}

// Wrong words, of the page and of the command line on the same sound. Without references the text of the command line is one.
const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}' ]+/gu, " ").split(/\s+/).filter(Boolean);
function distance(want, got) {
  let row = got.map((_, i) => i + 1);
  want.forEach((word, i) => {
    const next = [];
    got.forEach((other, j) => next.push(Math.min((j ? next[j - 1] : i + 1) + 1, row[j] + 1, (j ? row[j - 1] : i) + (word === other ? 0 : 1))));
    row = next;
  });
  return got.length ? row.at(-1) : want.length;
}
// Each text counts once, in whatever formats it is there.
const references = new Map();
if (process.env.SPEECH) {
  const texts = new Set();
  for (const line of readFileSync(join(process.env.SPEECH, "manifest.tsv"), "utf8").split("\n").slice(1)) {
    const [file, seconds, , , , , text] = line.split("\t");
    if (!text || texts.has(text) || seconds < 4 || seconds > 25) continue;
    texts.add(text);
    references.set(join(process.env.SPEECH, file), text);
  }
} else references.set(given.clip, "and so my fellow americans ask not what your country can do for you ask what you can do for your country");
const clips = [...references].slice(0, Number(process.env.CLIPS ?? 12));
const wrong = { live: 0, fast: 0, later: 0, accurate: 0 };
let words = 0;
const spoken = (clip, ...options) => plain(execFileSync(process.env.SCOUT, ["transcribe", "--quiet", ...options, clip], { encoding: "utf8" }));
for (const [clip, text] of wanted.has("words") ? clips : []) {
  const seconds = Number(execFileSync("ffprobe", ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", clip], { encoding: "utf8" }));
  const wav = join(given.home, "clip.wav");
  execFileSync("ffmpeg", ["-v", "error", "-y", "-i", clip, "-ar", "48000", "-ac", "1", wav]);
  const want = plain(text);
  const one = await open({ ...given, clip: `${wav}%noloop`, link: execFileSync(process.env.SCOUT, ["open", "--print"], { encoding: "utf8" }).trim() });
  let texts;
  try {
    const page = await one.page();
    await fromBrowser(page);
    await page.locator(".record").focus();
    await tap(page);
    await page.locator(".says", { hasText: "Listening" }).waitFor();
    await page.waitForTimeout(seconds * 1000 + 700);
    await page.locator(".record").focus();
    await tap(page);
    await page.getByRole("button", { name: "Copy" }).waitFor();
    const id = (await page.getByRole("link", { name: "Open", exact: true }).getAttribute("href")).split("/").pop();
    for (let i = 0; i < 40 && (await one.ask(`/api/v1/transcripts/${id}/versions`)).length < 2; i++) await page.waitForTimeout(250);
    texts = { live: plain((await one.ask(`/api/v1/transcripts/${id}?version=1`)).text), later: plain((await one.ask(`/api/v1/transcripts/${id}`)).text) };
  } finally {
    await one.close();
  }
  Object.assign(texts, { fast: spoken(clip, "--fast"), accurate: spoken(clip) });
  words += want.length;
  const here = Object.fromEntries(Object.entries(texts).map(([name, got]) => [name, distance(want, got)]));
  for (const name in here) wrong[name] += here[name];
  if (clips.length > 1) console.log(`    ${clip.split("/").pop()}: ${want.length} words, wrong ${here.live} on the page and ${here.fast} by scout transcribe --fast; ${here.later} later, ${here.accurate} by scout transcribe`);
}
const rate = (name) => (100 * wrong[name]) / words;
if (words > 0) {
  print("wrong words, the page beside transcribe --fast", `${rate("live").toFixed(1)} %`, "+ 2 points", rate("live") - rate("fast") <= 2, `${rate("fast").toFixed(1)} % of ${words} words in ${clips.length} clips`);
  print("after the second pass, beside transcribe", `${rate("later").toFixed(1)} %`, "+ 2 points", rate("later") - rate("accurate") <= 2, `${rate("accurate").toFixed(1)} %`);
}
