// The place where one finds, hears and corrects what was recorded.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBrowser } from "./now.mjs";

const base64 = (text) => Buffer.from(text).toString("base64");

// kept is a recording of a file, without a text of its own.
export async function kept(house, name, bytes) {
  const answer = await house.owner.request.post(`${house.way.url}/api/v1/uploads`, {
    headers: {
      "Tus-Resumable": "1.0.0", "Upload-Length": String(bytes.length), "Content-Type": "application/offset+octet-stream",
      "Upload-Metadata": `filename ${base64(name)},transcribe ${base64("false")}`,
    },
    data: bytes,
  });
  assert.equal(answer.status(), 201, await answer.text());
  return answer.headers()["scout-recording"];
}

// textOf is a transcript of lines, each word half a second long. A word behind which stands ? in doubt is one of which the model is not sure.
export function textOf(lines, { language = "en", doubt = {}, words = (line) => line.split(" ") } = {}) {
  let at = 0.2;
  const segments = lines.map((text) => {
    const start = at;
    const all = words(text).map((word) => {
      const from = at;
      at += 0.5;
      return { word, start: +from.toFixed(2), end: +(at - 0.1).toFixed(2), logprob: +Math.log(doubt[word] ?? 0.98).toFixed(4) };
    });
    at += 0.3;
    return { start: +start.toFixed(2), end: +(at - 0.3).toFixed(2), text, words: all };
  });
  return { model: "moonshine-tiny-en", language, duration: at, text: lines.join(" "), segments };
}

export const keep = (house, recording, transcript) => house.ask("/api/v1/transcripts", { method: "POST", data: { recording, transcript } });

const english = ["We met on Thursday to plan the harvest.", "Anna brings the ladders and Tom the baskets.", "Whoever comes late sorts the apples."];
export const arabic = ["اجتمع الفريق صباح اليوم وناقش الخطة الجديدة.", "ثم بدأ العمل في الحديقة."];
export const chinese = ["今天上午我们开会讨论了新的计划。", "然后大家一起开始工作。"];

export async function fixtures(house) {
  const wav = readFileSync(house.given.clip);
  const id = await kept(house, "Harvest.wav", wav);
  await keep(house, id, textOf(english, { doubt: { ladders: 0.21, Tom: 0.4 } }));
  const rtl = await kept(house, "حديقة.wav", wav);
  await keep(house, rtl, textOf(arabic, { language: "ar" }));
  const cjk = await kept(house, "会议.wav", wav);
  await keep(house, cjk, textOf(chinese, { language: "zh", words: (line) => [...line] }));
  return { id, rtl, cjk };
}

export const rows = (page) => page.getByRole("listbox", { name: "Recordings" }).getByRole("option");
const marks = (page, name) => page.evaluate((n) => [...(CSS.highlights.get(n) ?? [])].map((r) => r.toString()), name);
const line = (page, text) => page.locator("[data-line]", { hasText: text });
const marked = (page, name, want) => page.waitForFunction(([n, w]) => [...(CSS.highlights.get(n) ?? [])].some((r) => r.toString() === w), [name, want]);
const versions = (house, id) => house.ask(`/api/v1/transcripts/${id}/versions`);

// empty is what the library says where nothing was recorded yet.
export async function empty(house) {
  const page = await house.page("/library");
  await page.getByText("Nothing recorded yet").waitFor();
  await house.accessible(page, "the empty library");
  await page.getByRole("link", { name: "Go to Now" }).click();
  await page.locator(".record").waitFor();
  await page.close();
}

// steps are what people do, in this order.
export const steps = [found, heard, corrected, scripts, exported, sent, interrupted, remade, tabs, narrow, byKeys, deleted];

export async function test(house) {
  const made = await fixtures(house);
  for (const step of steps) await step(house, made);
}

// What is typed is found at once, and marked.
async function found(house) {
  const page = await house.page("/library");
  await rows(page).first().waitFor();
  await page.keyboard.press("Control+K");
  await page.keyboard.type("ladd");
  await page.locator("mark", { hasText: "ladders" }).waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.getByRole("searchbox").fill("zebra");
  await page.getByText("Nothing found").waitFor();
  await page.getByRole("searchbox").fill("计划");
  await page.locator("mark", { hasText: "计划" }).waitFor();
  await page.getByRole("searchbox").fill("");
  await page.getByLabel("Where from").selectOption("microphone");
  await page.waitForURL(/source=microphone/);
  await page.getByRole("searchbox").fill("plan");
  await page.waitForURL(/source=microphone&q=plan/); // filters stay
  await page.goBack(); // the first letter was a step
  await page.waitForURL(/source=microphone$/);
  assert.equal(await page.getByRole("searchbox").inputValue(), "");
  await page.getByRole("button", { name: "Clear" }).click();
  await rows(page).filter({ hasText: "Harvest" }).click();
  await page.getByRole("slider", { name: "Position" }).waitFor();
  await house.accessible(page, "a recording");
  await page.emulateMedia({ colorScheme: "dark" });
  await house.accessible(page, "a recording in the dark theme");
  await page.close();
}

// A click on a word goes there; the word that is spoken is marked, and doubtful ones come by their probability.
async function heard(house, { id }) {
  const page = await house.page(`/library/${id}?q=apples`);
  await line(page, "Anna").waitFor();
  await marked(page, "hit", "apples");
  await page.mouse.click(...(await middle(page, "baskets")));
  await marked(page, "spoken", "baskets.");
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await marked(page, "spoken", "Whoever");
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  for (const word of ["ladders", "Tom", "ladders"]) {
    await page.keyboard.press("n");
    await marked(page, "asked", word);
  }
  await page.getByLabel("Speed").selectOption("2");
  assert.equal(await page.evaluate(() => document.querySelectorAll("[data-line] *").length), 0, "a word is an element");
  await page.close();
}

// A line is edited where it stands: each is a version, and every one can be undone.
async function corrected(house, { id }) {
  const page = await house.page(`/library/${id}`);
  await line(page, "Thursday").dblclick();
  const editor = page.getByRole("textbox", { name: /^Line at/ });
  await editor.fill("We met on Friday to plan the harvest.");
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await page.keyboard.press("Shift+Tab");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("Saved", { exact: true }).waitFor();
  assert.match(await editor.innerText(), /^Anna/, "Enter does not go on to the next line");
  await editor.fill("Anna brings nothing.");
  await page.keyboard.press("Escape");
  await line(page, "Anna brings the ladders").waitFor();
  await line(page, "Friday").waitFor();
  assert.equal((await versions(house, id)).length, 2);
  await page.reload(); // undo knows what was changed before
  await line(page, "Friday").waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-label=Undo]").disabled);
  await page.keyboard.press("Control+z");
  await line(page, "Thursday").waitFor();
  await page.keyboard.press("Control+Shift+z");
  await line(page, "Friday").waitFor();
  // The title, and the versions side by side.
  await page.getByTitle("Change the title").click();
  await page.getByRole("textbox", { name: "Title" }).fill("The harvest");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "The harvest" }).waitFor();
  await page.getByRole("button", { name: "Add a tag" }).click();
  await page.keyboard.type("garden");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "garden" }).waitFor();
  await page.getByLabel("Tag", { exact: true }).locator("option", { hasText: "garden (1)" }).waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Remove the tag garden" }).click();
  await page.getByRole("link", { name: "garden" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("dialog").getByText("First text").click();
  await page.locator("del", { hasText: "Thursday" }).waitFor();
  await page.locator("ins", { hasText: "Friday" }).waitFor();
  await house.accessible(page, "the versions");
  await page.getByRole("button", { name: "Return to this version" }).click();
  await line(page, "Thursday").waitFor();
  assert.equal((await house.ask(`/api/v1/recordings/${id}`)).title, "The harvest");
  await page.close();
}

// middle is the place on the screen of the middle of some letters.
const middle = (page, letters) => page.evaluate((want) => {
  const node = [...document.querySelectorAll("[data-line]")].map((e) => e.firstChild).find((n) => n.data.includes(want));
  const range = new Range();
  range.setStart(node, node.data.indexOf(want));
  range.setEnd(node, node.data.indexOf(want) + want.length);
  const { x, y, width, height } = range.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}, letters);

// Text from right to left, and text without spaces, stands and is marked as it should.
async function scripts(house, { rtl, cjk }) {
  let page = await house.page(`/library/${rtl}?q=الحديقة`);
  await marked(page, "hit", "الحديقة");
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("[data-line]").parentElement).direction), "rtl");
  await page.mouse.click(...(await middle(page, "وناقش")));
  await marked(page, "spoken", "وناقش");
  await page.mouse.dblclick(...(await middle(page, "العمل")));
  await page.getByRole("textbox", { name: /^Line at/ }).waitFor();
  assert.equal((await page.evaluate(() => getSelection().toString())).trim(), "", "a double click leaves something selected");
  await page.keyboard.press("Escape");
  await page.close();
  page = await house.page(`/library/${cjk}?q=计划`);
  await marked(page, "hit", "计划");
  assert.match(await page.evaluate(() => document.querySelector(".paragraph p[dir]").textContent.trim()), /计划。然后/, "there is a space between sentences");
  await page.mouse.click(...(await middle(page, "午")));
  await marked(page, "spoken", "午");
  await page.close();
}

async function exported(house, { id }) {
  const page = await house.page(`/library/${id}`);
  await page.getByRole("button", { name: "Export" }).click();
  await page.getByRole("dialog").getByLabel(/SubRip/).check();
  await page.getByRole("dialog").getByLabel(/^Text/).check();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /Download 2 files/ }).click()]);
  assert.match(download.suggestedFilename(), /\.zip$/);
  assert.equal(readFileSync(await download.path()).subarray(0, 2).toString(), "PK");
  await page.close();
}

// Files of several formats are sent and become texts; one that is no audio says what to do.
async function sent(house) {
  const folder = mkdtempSync(join(tmpdir(), "scout-page-"));
  try {
    const files = ["wav", "flac", "mp3"].map((kind) => join(folder, `speech.${kind}`));
    for (const file of files) execFileSync("ffmpeg", ["-v", "error", "-i", house.given.clip, "-t", "4", file]);
    const broken = join(folder, "broken.wav");
    writeFileSync(broken, "This is no audio at all.");
    const nothing = join(folder, "nothing.wav");
    writeFileSync(nothing, "");
    const page = await house.page("/library");
    await page.locator("input[type=file]").setInputFiles([...files, broken, nothing]);
    const list = page.getByRole("region", { name: "Uploads" });
    const item = (name) => list.getByRole("listitem").filter({ hasText: name });
    await item("nothing.wav").getByText("The file is empty").waitFor();
    await item("broken.wav").getByText("no audio that Scout can read").waitFor();
    for (const name of ["speech.wav", "speech.flac", "speech.mp3"]) await item(name).getByText("done", { exact: true }).waitFor();
    await rows(page).filter({ hasText: "speech.mp3" }).waitFor();
    await house.accessible(page, "uploads");
    await item("speech.flac").getByRole("link").click();
    await line(page, /Americans/i).first().waitFor();
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await page.waitForFunction(() => (CSS.highlights.get("spoken")?.size ?? 0) === 1);
    await item("broken.wav").getByRole("button", { name: /Remove/ }).click();
    await page.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// A connection that breaks, a daemon that does not know the browser any more, and a reload in the middle of a file: what was sent is not sent again.
async function interrupted(house) {
  const folder = mkdtempSync(join(tmpdir(), "scout-page-"));
  const file = join(folder, "interrupted.wav");
  execFileSync("ffmpeg", ["-v", "error", "-i", house.given.clip, "-t", "3", "-ar", "192000", "-ac", "2", "-c:a", "pcm_f32le", file]);
  const page = await house.page("/library");
  const offsets = [], has = []; // from where the page sends, and what Scout says that it has
  page.on("request", (r) => r.method() === "PATCH" && offsets.push(Number(r.headers()["upload-offset"])));
  page.on("response", (r) => r.request().method() === "HEAD" && r.ok() && has.push(Number(r.headers()["upload-offset"])));
  const item = page.getByRole("region", { name: "Uploads" }).getByRole("listitem").filter({ hasText: "interrupted.wav" });
  const on = (percent) => page.waitForFunction((p) => Number(/(\d+) % sent/.exec(document.querySelector("[aria-label=Uploads]")?.textContent ?? "")?.[1] ?? 0) > p, percent, { polling: 20 });
  house.way.slow(60);
  await page.locator("input[type=file]").setInputFiles(file);
  await on(5);
  house.way.cut();
  await item.getByText("goes on by itself").waitFor();
  const cookies = await house.owner.cookies();
  await house.owner.clearCookies(); // as after a restart of the daemon
  house.way.mend();
  await item.getByText("does not know this browser").waitFor();
  await house.owner.addCookies(cookies); // as by scout open
  await on(30); // of what is sent anew: what was under way when the connection was cut may not have arrived
  const before = offsets.length;
  await page.reload();
  await item.getByText("was sent before the page was closed").waitFor();
  await house.accessible(page, "an upload that was interrupted");
  house.way.slow(0);
  await page.locator("input[type=file]").setInputFiles(file);
  await item.getByText("done", { exact: true }).waitFor();
  assert.equal(await item.count(), 1, "the file is there twice");
  assert.ok(before >= 2 && offsets.slice(1).every((offset, i) => offset >= offsets[i]), `sent from ${offsets}, ${before} of them before the reload`);
  // What is left is sent, and nothing twice: all of it may have arrived that was on the way at the reload.
  assert.equal(offsets.length > before ? offsets.at(-1) : statSync(file).size, has.at(-1), `sent from ${offsets}, and Scout had ${has}`);
  assert.ok(has.at(-1) > 0, "everything is sent anew");
  assert.equal((await house.ask("/api/v1/recordings?source=upload&limit=200")).data.filter((one) => one.title === "interrupted.wav" || one.title === "interrupted").length, 1);
  await page.close();
  rmSync(folder, { recursive: true });
}

// Another model makes another text, while its job is told in place; both stand side by side.
async function remade(house) {
  const { data } = await house.ask("/api/v1/recordings?source=upload&limit=200");
  const { id, transcript } = data.find((one) => /^speech/.test(one.title) && one.transcript.version);
  const { data: models } = await house.ask("/api/v1/models");
  const other = models.find((one) => one.state === "installed" && one.id !== transcript.model) ?? models.find((one) => one.state === "installed");
  const page = await house.page(`/library/${id}`);
  await page.evaluate(() => {
    window.told = [];
    new MutationObserver(() => document.querySelectorAll(".chip").forEach((chip) => window.told.push(chip.textContent))).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await page.getByRole("button", { name: "New text" }).click();
  await page.getByLabel("Model", { exact: true }).selectOption(other.id);
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("A new version of the text has come").waitFor();
  const told = await page.evaluate(() => window.told);
  assert.ok(told.some((text) => /New text/.test(text)) && told.some((text) => /about .* left/.test(text)), `the job was told as ${[...new Set(told)].join(" | ")}`);
  await page.getByRole("button", { name: "What changed" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("heading", { name: /^Version \d+ Return/ }).waitFor();
  await dialog.getByRole("heading", { name: /^Version \d+ Present/ }).waitFor();
  await dialog.locator(".row, .same").or(dialog.getByText("Both versions say the same")).first().waitFor();
  await house.accessible(page, "two versions side by side");
  assert.equal((await versions(house, id)).at(-1).model, other.id);
  await page.close();
}

// Three tabs at the same time: one sends a file, one plays, and one dictates.
async function tabs(house, { id }) {
  const [sends, plays, dictates] = [await house.page("/library"), await house.page(`/library/${id}`), await house.page()];
  await fromBrowser(dictates);
  await dictates.locator(".record").press("Space");
  await dictates.locator(".says", { hasText: "Listening" }).waitFor();
  await plays.getByRole("button", { name: "Play", exact: true }).click();
  await sends.locator("input[type=file]").setInputFiles([house.given.clip]);
  await marked(plays, "spoken", "harvest.");
  await sends.getByRole("region", { name: "Uploads" }).getByText("done", { exact: true }).waitFor();
  await dictates.waitForFunction(() => document.querySelector(".column")?.innerText.trim().length > 10);
  await dictates.locator(".record").press("Space");
  await dictates.waitForFunction(() => !/Listening/.test(document.querySelector(".says")?.textContent ?? ""));
  for (const page of [sends, plays, dictates]) await page.close();
}

// On a phone the list and the recording take turns.
async function narrow(house) {
  const page = await house.page("/library");
  await page.setViewportSize({ width: 320, height: 640 });
  await rows(page).first().waitFor();
  await page.getByRole("listbox").evaluate((list) => list.scrollTo(0, list.scrollHeight));
  await rows(page).last().click(); // the first click of this page stays on what it is on
  await page.getByRole("link", { name: "All recordings" }).waitFor();
  await page.goto(house.way.url + "/library?q=harvest");
  await page.locator("mark").first().waitFor();
  await rows(page).filter({ hasText: "The harvest" }).click();
  await line(page, "Anna").waitFor();
  assert.equal(await page.getByRole("listbox").isVisible(), false);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320, "the page is wider than a phone");
  await house.accessible(page, "a phone");
  await page.getByRole("link", { name: "All recordings" }).click();
  await rows(page).first().waitFor();
  assert.equal(new URL(page.url()).pathname, "/library");
  await page.close();
}

// Everything can be done with keys alone.
async function byKeys(house, { id }) {
  const page = await house.page("/library?q=harvest");
  await rows(page).first().waitFor();
  await page.getByRole("listbox").focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(id));
  await line(page, "Anna").waitFor();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await page.keyboard.press("Space");
  for (let i = 0; i < 40 && !(await page.evaluate(() => document.activeElement.getAttribute("aria-label") === "Text")); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const editor = page.getByRole("textbox", { name: /^Line at/ });
  assert.match(await editor.innerText(), /^Anna/);
  await page.keyboard.press("Control+End");
  await page.keyboard.type(" And bread.");
  await page.keyboard.press("Enter");
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.waitForURL(/\/library\?q=harvest$/);
  assert.match((await house.ask(`/api/v1/transcripts/${id}`)).text, /And bread\./);
  await page.close();
}

// What is deleted can be taken back for ten seconds, and then from the trash.
async function deleted(house, { rtl: id }) {
  const page = await house.page(`/library/${id}`);
  await line(page, "الحديقة").waitFor();
  const row = rows(page).filter({ hasText: "حديقة" });
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText("Moved to the trash").waitFor();
  await row.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo", exact: true }).click();
  await row.waitFor();
  assert.equal((await house.ask(`/api/v1/recordings/${id}`)).deleted_at, undefined);
  await page.close();
}
