// Opens pages in Chromium against a running daemon, and checks what they get. cmd/scout/browser_test.go starts it and says where everything is, as
// JSON on the standard input; the last line of the output says what the dictation gave, for the test to compare with what is stored.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { cable } from "./cable.mjs";

const given = JSON.parse(readFileSync(0, "utf8"));
const { chromium } = createRequire(import.meta.url)(given.playwright);
const { server, key, link, allowed, foreign } = given;
const bearer = { Authorization: "Bearer " + key };
const json = { "Content-Type": "application/json" };
const patience = 30_000; // ms, on a busy machine

const browser = await chromium.launch({
  executablePath: given.chromium,
  args: [
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${given.clip}%noloop`,
    "--autoplay-policy=no-user-gesture-required", ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
  ],
});
try {
  const context = await browser.newContext();
  context.setDefaultTimeout(patience);
  await context.grantPermissions(["microphone"], { origin: allowed });
  const page = await at(allowed, context);
  const result = await dictation(context, page);
  await cors(page, result.id);
  await stranger(await at(foreign, context));
  await owner(context, page);
  console.log(JSON.stringify(result));
} finally {
  await browser.close();
}

// at opens the page at an origin.
async function at(origin, context) {
  const page = await context.newPage();
  page.on("pageerror", (e) => console.error(`the page of ${origin}: ${e}`));
  await page.goto(origin + "/index.html");
  await page.waitForFunction(() => window.asked);
  return page;
}

// dictation speaks to the page, which is without a network in the middle of it.
async function dictation(context, page) {
  await page.evaluate(([server, key]) => window.dictate(server, key), [server, key]);
  const heard = (seconds) => page.waitForFunction((s) => window.dictation.at >= s * window.dictation.context.sampleRate, seconds, { polling: 100 });
  await heard(4);
  await context.setOffline(true);
  await heard(5);
  await page.evaluate(() => window.dictation.refused || window.dictation.leave());
  await page.waitForFunction(() => window.dictation.refused >= 2, undefined, { polling: 50 }); // the connection that broke, and one that it tried
  await heard(6);
  assert.equal(await page.evaluate(() => window.dictation.connections), 1, "a page without a network got a connection");
  await context.setOffline(false);
  await page.waitForFunction(() => window.dictation.ready, undefined, { polling: 50 });
  await heard(given.seconds);
  const result = await page.evaluate(() => window.dictation.stop());
  assert.equal(result.last.state, "done");
  assert.equal(result.connections, 2);
  assert.equal(result.acknowledged, result.frames, "frames that were not acknowledged");
  assert.equal(result.final.complete, true);
  assert.equal(result.final.text, result.text.trim(), "the final text is not what was committed");
  return result;
}

// cors asks as a page of an allowed origin: simple requests, and those that a browser asks about first.
async function cors(page, id) {
  const ask = (path, options) => page.evaluate(([url, o]) => window.asked(url, o), [server + path, options]);
  const plain = await ask("/api/v1/version");
  assert.equal(plain.status, 200);
  assert.ok(plain.request, "the page sees no X-Request-Id");
  const text = await ask(`/api/v1/transcripts/${id}`, { headers: bearer });
  assert.equal(text.status, 200, text.body);
  const renamed = await ask(`/api/v1/recordings/${id}`, { method: "PATCH", headers: { ...bearer, ...json, "Idempotency-Key": "a" }, body: JSON.stringify({ title: "renamed by a page" }) });
  assert.equal(renamed.status, 200, renamed.body);
  assert.equal(JSON.parse(renamed.body).title, "renamed by a page");
  const denied = await ask("/api/v1/keys", { headers: bearer });
  assert.deepEqual([denied.status, denied.code], [403, "permission_denied"]);
  const wrong = await ask("/api/v1/version", { headers: { Authorization: "Bearer sk-scout-wrong" } });
  assert.notEqual(wrong.failed, "TypeError", "the page does not get to see why it is refused");
}

// stranger asks as a page of any other origin, which gets nothing and changes nothing.
async function stranger(page) {
  const ask = (path, options) => page.evaluate(([url, o]) => window.asked(url, o), [server + path, options]);
  assert.equal((await ask("/api/v1/version")).failed, "TypeError");
  assert.equal((await ask("/api/v1/version", { headers: bearer })).failed, "TypeError");
  for (const simple of [{ mode: "no-cors" }, { method: "POST", mode: "no-cors", body: "a=b" }]) { // these are sent without being asked about
    const r = await ask("/api/v1/jobs", simple);
    assert.ok(r.failed === "TypeError" || (r.type === "opaque" && r.body === ""), JSON.stringify(r));
  }
  assert.equal(await page.evaluate(([s, k]) => window.opened(s, k), [server, key]), false, "a foreign page got a WebSocket");
  assert.match(await page.evaluate((url) => window.follow(url, []).then(() => "", String), server + "/api/v1/events"), /refused/);
}

// owner follows the link of scout open. The page there is the owner's, follows events over a break of the network, and lends its session to no
// page of another port.
async function owner(context, page) {
  const way = await cable(server);
  const own = await context.newPage();
  const opening = link.replace(server, way.url);
  const pages = [way.url + "/", way.url + "/docs"]; // without npm there is only the latter
  await own.goto(opening);
  assert.ok(pages.includes(own.url()), own.url());
  const helpers = (await page.evaluate(() => [`window.follow = ${window.follow}`, `window.asked = ${window.asked}`])).join(";\n");
  await own.evaluate(helpers); // past the policy of the page, as no page can
  assert.equal((await own.evaluate((url) => window.asked(url), "/api/v1/keys")).status, 200);
  await own.evaluate((url) => window.follow(url, ["transcript.created"]), "/api/v1/events?topics=transcript");
  const keep = async (title) => {
    const r = await fetch(server + "/api/v1/transcripts", { method: "POST", headers: { ...json, Authorization: "Bearer " + given.owner }, body: JSON.stringify({ ...given.text, title }) });
    assert.equal(r.status, 201, await r.clone().text());
    return (await r.json()).id;
  };
  const seen = async (ids) => {
    await own.waitForFunction((n) => window.events.length >= n, ids.length, { polling: 50 });
    assert.deepEqual(await own.evaluate(() => window.events.map((e) => e.data.transcript)), ids);
  };
  const ids = [await keep("one")];
  await seen(ids);
  way.cut();
  await own.waitForFunction(() => window.source.readyState === EventSource.CONNECTING, undefined, { polling: 50 });
  ids.push(await keep("while there is no network"));
  way.mend();
  await seen(ids);
  ids.push(await keep("again"));
  await seen(ids);
  assert.equal(await own.evaluate(() => window.opens), 2);

  const other = (options) => page.evaluate(([url, o]) => window.asked(url, o), [server + "/api/v1/keys", options]);
  assert.equal((await other({})).status, 403);
  assert.equal((await other({ credentials: "include" })).failed, "TypeError", "a page of another port used the session");

  await own.goto(opening);
  assert.ok(!pages.includes(own.url()), "the link works twice");
  way.close();
}
