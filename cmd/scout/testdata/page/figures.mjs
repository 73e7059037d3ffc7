// Measures the page: scripts/page-figures.sh starts it.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { open } from "./browser.mjs";
import { figures as library } from "./library-figures.mjs";
import { fromBrowser, tap } from "./now.mjs";

const given = JSON.parse(readFileSync(0, "utf8"));
const rounds = Number(process.env.ROUNDS);
const percentile = (all, p) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * p))];
const print = (name, value, limit, ok, note = "") => console.log(`${name.padEnd(52)} ${value.padStart(12)}  ${limit.padEnd(12)} ${ok ? "ok" : "SHORT"}  ${note}`);

// Size.
const assets = join(given.site, "assets");
const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
print("scripts with gzip, all places", `${(bytes / 1000).toFixed(1)} kB`, "< 200 kB", bytes < 200_000);

const house = await open(given);
try {
  // From navigation to the first response to a key: the shortcuts are on the screen.
  const keys = [];
  let shift = 0;
  for (let i = 0; i < 10; i++) {
    const page = await house.owner.newPage();
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
    keys.push(await page.evaluate(() => window.answered));
    await page.waitForTimeout(800);
    shift = Math.max(shift, await page.evaluate(() => window.shift ?? 0));
    await page.close();
  }
  print("navigation to the answer to a key, p95 of 10", `${percentile(keys, 0.95).toFixed(0)} ms`, "< 500 ms", percentile(keys, 0.95) < 500, `p50 ${percentile(keys, 0.5).toFixed(0)} ms`);
  print("layout shift while the page loads, most of 10", shift.toFixed(3), "0", shift < 0.001);

  // From the stop to the final text, with the browser's microphone.
  const texts = [];
  const page = await house.page();
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
  await library(house, print, { count: Number(process.env.TEXTS ?? 10_000) });
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
const references = new Map();
if (process.env.SPEECH) {
  for (const line of readFileSync(join(process.env.SPEECH, "manifest.tsv"), "utf8").split("\n")) {
    const [file, , , , , , text] = line.split("\t");
    if (file?.endsWith(".wav") || file?.endsWith(".flac")) references.set(join(process.env.SPEECH, file), text);
  }
} else references.set(given.clip, "and so my fellow americans ask not what your country can do for you ask what you can do for your country");
let words = 0, wrong = 0, wrongHere = 0;
for (const [clip, text] of [...references].slice(0, 12)) {
  const seconds = Number(execFileSync("ffprobe", ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", clip], { encoding: "utf8" }));
  if (seconds > 40) continue;
  const wav = join(given.home, "clip.wav");
  execFileSync("ffmpeg", ["-v", "error", "-y", "-i", clip, "-ar", "48000", "-ac", "1", wav]);
  const want = plain(text);
  const line = execFileSync(process.env.SCOUT, ["transcribe", "--quiet", "--fast", clip], { encoding: "utf8" });
  const one = await open({ ...given, clip: `${wav}%noloop`, link: execFileSync(process.env.SCOUT, ["open", "--print"], { encoding: "utf8" }).trim() });
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
    wrongHere += distance(want, plain(await page.locator(".words").first().innerText()));
  } finally {
    await one.close();
  }
  words += want.length;
  wrong += distance(want, plain(line));
}
const rate = (n) => (100 * n) / words;
print("wrong words, the page beside the command line", `${rate(wrongHere).toFixed(1)} %`, "+ 2 points", rate(wrongHere) - rate(wrong) <= 2, `${rate(wrong).toFixed(1)} % of ${words} words`);
