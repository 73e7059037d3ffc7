// The place where one dictates.

import assert from "node:assert/strict";
import { patience } from "./browser.mjs";

const words = /ask not what your country can do for you/i;

// says waits for what is written below the button.
const says = (page, text) => page.locator(".says", { hasText: text }).waitFor();

// tap presses Space for a moment. Without waiting in between: a page that is busy answers late, and the press would be a long one.
export const tap = (page) => Promise.all([page.keyboard.down("Space"), page.keyboard.up("Space")]);

export const fromBrowser = (page) => page.getByLabel("Microphone", { exact: true }).selectOption("browser:");

// heard waits until the page has taken so many seconds of sound.
const heard = (page, seconds) =>
  page.waitForFunction((s) => { const [m, rest] = (document.querySelector(".clock [role=timer]")?.textContent ?? "0:00").split(":").map(Number); return m * 60 + rest >= s; }, seconds, { polling: 100 });

// kept are the dictations that the browser still has.
const kept = (page) =>
  page.evaluate(() => new Promise((resolve) => {
    const asked = indexedDB.open("scout-dictations", 1);
    asked.onsuccess = () => {
      const all = asked.result.transaction("dictations").objectStore("dictations").getAll();
      all.onsuccess = () => (asked.result.close(), resolve(all.result));
    };
  }));

// opened is the id of the recording that is shown.
const opened = async (page) => (await page.getByRole("link", { name: "Open", exact: true }).getAttribute("href")).split("/").pop();

const final = (page) => page.getByRole("button", { name: "Copy" }).waitFor();

export async function test(house) {
  await stranger(house);
  await firstRun(house);
  await broken(house);
  await abandoned(house);
  await troubles(house);
  await machine(house);
  await tabs(house);
  await Promise.all([insecure(house), failing(house)]);
}

// A browser without a session is told what to run, and goes on when it has one.
async function stranger(house) {
  const context = await house.context();
  const page = await context.newPage();
  await page.goto(house.way.url + "/library/x");
  await page.getByText("scout open", { exact: true }).waitFor();
  await house.accessible(page, "without a session");
  await page.getByText("Is Scout on another machine?").click();
  await page.getByLabel("A key of its owner").fill("sk-scout-wrong");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.getByText("Scout does not know this key").waitFor();
  await context.addCookies(await house.owner.cookies());
  await page.locator(".frame > nav").waitFor();
  await context.close();
}

async function firstRun(house) {
  const page = await house.page();
  await page.getByText("Get ready to dictate").waitFor();
  await page.getByText("is installed").waitFor();
  await fromBrowser(page);
  await page.getByRole("button", { name: "Check the microphone" }).click();
  await page.getByText("Scout hears you").waitFor();
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await house.accessible(page, `the first run, ${scheme}`);
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await house.accessible(page, "the shortcuts");
  await page.keyboard.press("Escape");
  await page.close();
}

// A connection that breaks in mid-dictation costs nothing; everything is done by key.
async function broken(house) {
  const page = await house.page();
  await tap(page);
  await says(page, "Listening");
  await heard(page, 3);
  house.way.cut();
  await page.getByText("nothing is lost").waitFor();
  await heard(page, 5);
  house.way.mend();
  await page.getByText("Scout was away from").waitFor();
  await house.accessible(page, "while it listens");
  await heard(page, 11);
  const [{ at }] = await kept(page);
  await tap(page);
  await final(page);
  assert.match(await page.locator(".column").innerText(), /country/i);
  await page.keyboard.press("Enter");
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), words);
  await house.accessible(page, "the text");
  const id = await opened(page);
  house.sent.push({ id, frames: at });
  const { labels } = await house.ask(`/api/v1/recordings/${id}`);
  assert.deepEqual([labels.echo_cancellation, labels.noise_suppression, labels.auto_gain_control], ["off", "off", "off"]);
  assert.deepEqual(await kept(page), [], "the browser keeps what Scout has");
  await page.keyboard.press("Delete");
  await page.getByRole("button", { name: "Undo" }).click();
  await final(page);
  await page.close();
}

// A reload and a closed tab in mid-dictation lose nothing: the next page sends what is left.
async function abandoned(house) {
  for (const leave of ["reload", "close"]) {
    let page = await house.page();
    await tap(page);
    await says(page, "Listening");
    await heard(page, 2);
    house.way.cut();
    await heard(page, 4);
    const [{ at }] = await kept(page);
    house.way.mend();
    if (leave === "reload") await page.reload();
    else {
      await page.close();
      page = await house.page();
    }
    await page.getByText("This tab was closed or reloaded here").waitFor();
    await final(page);
    house.sent.push({ id: await opened(page), frames: at });
    await page.close();
  }
}

// The machine's microphone, which every tab shows.
async function machine(house) {
  const page = await house.page();
  const other = await house.page("/library");
  await page.getByLabel("Microphone", { exact: true }).selectOption("machine:");
  await says(page, "Press Space and speak");
  await page.keyboard.down("Space");
  await says(page, "Listening until you let go");
  await other.getByRole("link", { name: /Recording/ }).first().waitFor();
  await heard(page, 4); // of half a second a model makes words that were not said
  await page.waitForFunction(() => document.querySelector(".words")?.innerText.trim().length > 10);
  const late = await house.page(); // a tab that comes later shows what was said before
  const beginning = async (at) => (await at.locator(".words").first().innerText().catch(() => "")).toLowerCase().replace(/[^a-z]/g, "").slice(0, 10);
  for (const until = Date.now() + patience; (await beginning(late)) === "" || (await beginning(late)) !== (await beginning(page)); await page.waitForTimeout(100))
    assert.ok(Date.now() < until, `the tab that came later shows ${await beginning(late)}`);
  await late.close();
  await page.keyboard.up("Space");
  await final(page);
  await tap(page);
  await says(page, "Listening");
  await page.keyboard.press("Escape");
  await page.getByText("Stopped without text").waitFor();
  await page.close();
  await other.close();
}

// Three tabs share one stream of events, and all of them work.
async function tabs(house) {
  const pages = [await house.page(), await house.page(), await house.page("/system")];
  for (const page of pages) await page.locator("header a.Healthy, header a.Degraded").waitFor();
  const streams = async () => /^scout_connections\{kind="sse".* (\d+)$/m.exec(await (await house.owner.request.get(house.way.url + "/metrics")).text())?.[1];
  for (const until = Date.now() + patience; (await streams()) !== "1"; await pages[0].waitForTimeout(200)) // the one before a change of topics ends a moment later
    assert.ok(Date.now() < until, `three tabs have ${await streams()} streams`);
  for (const page of pages) await page.close();
}

// What a browser does to a dictation: it has no room to keep the sound, it stops it for a while, and it takes the microphone away. Another tab records beside it.
async function troubles(house) {
  const beside = await house.page();
  await tap(beside);
  await says(beside, "Listening");
  const page = await house.owner.newPage();
  await page.addInitScript(() => {
    IDBObjectStore.prototype.put = () => { throw new DOMException("there is no room", "QuotaExceededError"); };
    const { getUserMedia } = navigator.mediaDevices;
    navigator.mediaDevices.getUserMedia = async (...wanted) => (window.stream = await getUserMedia.apply(navigator.mediaDevices, wanted));
    const Context = window.AudioContext;
    window.AudioContext = class extends Context { constructor(...options) { super(...options); window.sound = this; } };
  });
  await page.goto(house.way.url);
  await page.locator(".frame > nav").waitFor();
  await tap(page);
  await says(page, "Listening");
  await heard(page, 1);
  house.way.cut();
  await page.getByText("no room to keep it").waitFor();
  await heard(page, 2);
  house.way.mend();
  await page.getByText("Scout was away from").waitFor();
  await page.evaluate(() => (window.sound.resume = () => Promise.resolve(), window.sound.suspend()));
  await says(page, "No sound arrives");
  await page.waitForTimeout(1000); // as long as cannot be a busy page
  await page.evaluate(() => (delete window.sound.resume, window.sound.resume()));
  await says(page, "Listening");
  await page.getByText("gave no sound for").waitFor();
  await page.evaluate(() => {
    navigator.permissions.query = async () => ({ state: "denied" });
    window.stream.getTracks()[0].dispatchEvent(new Event("ended"));
  });
  await page.getByText("may not use the microphone any more").waitFor();
  await final(page);
  house.sent.push({ id: await opened(page), frames: 2 * 44_100 });
  await page.close();
  const [{ at }] = await kept(beside);
  await tap(beside);
  await final(beside);
  house.sent.push({ id: await opened(beside), frames: at });
  await beside.close();
}

// By plain http from another machine a page has no microphone, no clipboard of its own, no locks and no secure random names.
async function insecure(house) {
  const context = await house.context();
  await context.addCookies((await house.owner.cookies()).map(({ name, value }) => ({ name, value, url: house.plain })));
  const page = await context.newPage();
  await page.goto(house.plain);
  await page.locator(".frame > nav").waitFor();
  assert.deepEqual(await page.evaluate(() => [isSecureContext, navigator.mediaDevices, navigator.locks, navigator.clipboard, crypto.randomUUID].map(String)), ["false", ...Array(4).fill("undefined")]);
  await page.locator("header a.Healthy, header a.Degraded").waitFor(); // its events come
  await fromBrowser(page);
  await tap(page);
  await page.getByText("to pages of this computer and to https alone").waitFor();
  await page.getByLabel("Microphone", { exact: true }).selectOption("machine:");
  await tap(page);
  await says(page, "Listening");
  await heard(page, 3);
  await tap(page);
  await final(page);
  const text = await page.evaluate(() => { // without the lines between the words
    const words = document.querySelector(".words").cloneNode(true);
    words.querySelectorAll(".note").forEach((note) => note.remove());
    return words.textContent;
  });
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  await page.getByRole("searchbox").focus();
  await page.keyboard.press("Control+V");
  assert.equal(await page.getByRole("searchbox").inputValue(), text.trim());
  await context.close();
}

// A part of the page that cannot be loaded says so, and the rest of the page works.
async function failing(house) {
  const page = await house.owner.newPage();
  await page.route("**/assets/Library-*.js", (route) => route.abort());
  await page.goto(house.way.url + "/library");
  await page.getByText("This part of the page has failed").waitFor();
  await house.accessible(page, "a part that failed");
  await page.getByRole("link", { name: "Now", exact: true }).click();
  await page.locator(".record").waitFor();
  await page.close();
}
