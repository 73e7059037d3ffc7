// Measures the library: scripts/page-figures.sh starts it with a daemon that has as many texts as it says. Each figure is printed with its limit.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keep, kept, rows, textOf } from "./library.mjs";
import { calibrated, percentile, told, traced } from "./trace.mjs";

const nouns = "garden harvest river window letter summer morning paper village market bridge kitchen mountain teacher winter story corner station forest island".split(" ");

// fill keeps so many texts.
async function fill(house, count) {
  for (let i = 0; i < count; ) {
    const some = Array.from({ length: Math.min(16, count - i) }, (_, n) => {
      const k = i + n;
      const line = `The ${nouns[k % 20]} and the ${nouns[(k * 7 + 3) % 20]} near the ${nouns[(k * 11 + 5) % 20]}, number ${k}${k % 997 === 0 ? ", with a zeppelin" : ""}.`;
      return keep(house, undefined, textOf([line, "It was said on an ordinary day."]));
    });
    await Promise.all(some);
    i += some.length;
  }
}

// tasks prints the longest task of what was traced.
function tasks(print, name, { longest, heaviest, tasks: all, cpu }, loop, right, note) {
  const over = all.filter((t) => t.cpu >= 50).length;
  print(name, `${longest.ms.toFixed(0)} ms`, "< 50 ms", longest.ms < 50 && right,
    `${note}; of the processor ${heaviest.cpu.toFixed(0)} ms = ${(heaviest.cpu / loop).toFixed(1)} loops, ${over} tasks of 50 ms and more, ${(cpu / loop).toFixed(0)} loops in all`);
  if (process.env.PROFILE) console.log(`    longest by the clock: ${told(longest)}\n    by the processor:     ${told(heaviest)}`);
}

export async function figures(house, print, { count = 10_000, seconds = 3 * 3600 } = {}) {
  await fill(house, count);
  let page = await house.page("/library");
  await rows(page).first().waitFor();

  // From the press of a key to the result on the screen.
  const found = [];
  for (const word of ["zeppelin", "harvest", "island", "bridge", "zeppelin"]) {
    await page.keyboard.press("Control+K");
    await page.keyboard.press("Delete");
    await page.waitForFunction(() => !document.querySelector("mark"));
    for (let i = 1; i <= word.length; i++) {
      const part = word.slice(0, i);
      const took = page.evaluate((want) => new Promise((done) => {
        addEventListener("keydown", () => {
          const began = performance.now();
          const look = () => {
            const marks = [...document.querySelectorAll("mark")];
            if (marks.length > 0 && marks.every((m) => m.textContent.toLowerCase().startsWith(want))) done(performance.now() - began);
            else requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        }, { once: true });
      }), part);
      await page.waitForTimeout(60);
      await page.keyboard.press(word[i - 1]);
      found.push(await took);
    }
    await page.locator("input[type=search]").fill("");
    await page.waitForFunction(() => !document.querySelector("mark"));
  }
  print(`search in ${count} texts, key to result, p95`, `${percentile(found, 0.95).toFixed(0)} ms`, "< 150 ms", percentile(found, 0.95) < 150, `p50 ${percentile(found, 0.5).toFixed(0)} ms, longest ${Math.max(...found).toFixed(0)} ms`);

  // The whole list, to its end.
  const loop = await calibrated(page);
  const list = await traced(house.browser, page, () => page.evaluate(async () => {
    const box = document.querySelector("[role=listbox]");
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    let still = 0, frames = 0;
    while (still < 90) {
      const before = box.scrollTop;
      box.scrollTop += 1500;
      await frame();
      frames++;
      still = box.scrollTop === before ? still + 1 : 0;
    }
    return { frames, rows: Number(document.querySelector("[role=option]:last-of-type")?.getAttribute("aria-setsize") ?? 0) };
  }));
  tasks(print, `scroll through ${list.result.rows} rows, longest task`, list, loop, list.result.rows >= count, `${list.result.frames} frames`);
  await page.close();

  // A recording of three hours: its outline, and its text while it plays and scrolls.
  const folder = mkdtempSync(join(tmpdir(), "scout-long-"));
  try {
    const file = join(folder, "long.flac");
    execFileSync("ffmpeg", ["-v", "error", "-stream_loop", "-1", "-i", house.given.clip, "-t", String(seconds), file]);
    const id = await kept(house, "long.flac", readFileSync(file));
    const lines = Array.from({ length: Math.floor(seconds / 6) }, (_, i) => `Sentence ${i + 1} tells of a ${nouns[i % 20]}.`);
    const text = textOf(lines);
    const scale = seconds / text.duration;
    for (const segment of text.segments) for (const one of [segment, ...segment.words]) [one.start, one.end] = [+(one.start * scale).toFixed(2), +(one.end * scale).toFixed(2)];
    text.duration = seconds;
    await keep(house, id, text);
    await house.ask(`/api/v1/recordings/${id}/peaks?points=2000`, { timeout: 300_000 }); // made once, of three hours
    page = await house.owner.newPage();
    const began = Date.now();
    await page.goto(`${house.way.url}/library/${id}`);
    await page.waitForFunction(() => {
      const canvas = document.querySelector("canvas");
      return canvas?.width > 300 && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0);
    });
    const outline = Date.now() - began;
    print(`outline of ${(seconds / 3600).toFixed(1)} h, from navigation`, `${outline} ms`, "< 1500 ms", outline < 1500);
    await page.locator("[data-line]").nth(lines.length - 1).waitFor({ state: "attached" });
    await page.waitForTimeout(500);
    const loop = await calibrated(page);
    await page.locator(".detail").click({ position: { x: 5, y: 5 } }); // a page without focus has no keys
    const played = await traced(house.browser, page, async () => {
      await page.keyboard.press("Space");
      await page.getByRole("button", { name: "Pause" }).waitFor();
      const spoken = await page.evaluate(async () => {
        const box = document.querySelector(".detail");
        for (let i = 0; i < 240; i++) {
          box.scrollTop += i < 120 ? 900 : -400;
          await new Promise((done) => requestAnimationFrame(done));
        }
        return CSS.highlights.get("spoken")?.size ?? 0;
      });
      await page.getByRole("button", { name: "Back to what is spoken" }).click();
      await page.waitForTimeout(1500);
      return spoken;
    });
    tasks(print, `play and scroll ${lines.length} lines, longest task`, played, loop, played.result === 1, "240 frames");
    await page.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
}
