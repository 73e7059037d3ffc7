// The place that shows how Scout is: health, models, settings, keys, webhooks, privacy.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { patience } from "./browser.mjs";

export async function test(house) {
  const page = await house.page("/system");
  await page.getByRole("button", { name: "Check now" }).click();
  await page.getByText("Last checked").waitFor();
  await page.getByRole("button", { name: "Check now" }).waitFor();
  await charts(house, page);
  await both(house, page, "health");
  await page.getByRole("link", { name: "Models" }).click();
  await page.getByText("times as fast as speech").first().waitFor();
  await house.ask("/api/v1/models/moonshine-tiny-en/load", { method: "POST" });
  const moonshine = page.getByRole("listitem").filter({ hasText: "Moonshine tiny (English)" });
  await moonshine.getByText(/in memory, \d/).waitFor();
  await house.accessible(page, "models");
  await moonshine.getByRole("button", { name: "Unload" }).click();
  await moonshine.getByText("in memory,").waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Settings", exact: true }).click();
  await page.getByLabel("Find a setting").fill("rate of recordings");
  const rate = page.getByLabel("Sample rate");
  await rate.fill("48000");
  await rate.press("Tab");
  await page.getByText("Saved").waitFor();
  await rate.fill("7");
  await rate.press("Tab");
  await page.locator(".state.bad", { hasText: /\w/ }).waitFor();
  await house.accessible(page, "settings");
  assert.equal((await house.ask("/api/v1/settings")).values.record.rate, 48000);
  await page.getByRole("button", { name: "Back to the usual value" }).click();
  await page.getByText("Saved").waitFor();
  assert.notEqual((await house.ask("/api/v1/settings")).values.record.rate, 48000);
  await keys(house, page);
  await webhooks(house, page);
  await page.close();
}

// both looks for what is not accessible in both themes, and for what is wider than a small phone.
async function both(house, page, what) {
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    await house.accessible(page, `${what}, ${colorScheme}`);
  }
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 640 });
  await page.waitForFunction(() => document.querySelector("main").scrollWidth <= 320, undefined, { timeout: 5000 }).catch(() => assert.fail(`${what} is wider than 320 pixels`));
  await page.setViewportSize({ width, height });
}

// The charts show what was done before, and say it in words, by key as well.
async function charts(house, page) {
  const text = page.getByRole("group", { name: "From the stop to the text" });
  await text.locator("canvas").waitFor();
  assert.equal(await page.locator("figure canvas").count(), 6);
  assert.match(await page.locator("figure", { hasText: "Memory" }).locator(".says").innerText(), /Now \d.*most \d/);
  assert.ok(await text.locator("canvas").evaluate((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)), "nothing is drawn");
  const memory = page.getByRole("group", { name: "Memory", exact: true });
  await memory.focus();
  await page.keyboard.press("ArrowLeft");
  await page.locator("figure", { hasText: "Memory" }).locator(".says", { hasText: /\d+:\d+.*used.*limit/s }).waitFor();
  const past = await house.ask("/api/v1/status/history");
  assert.ok(past.data.some((one) => one.texts > 0 && one.text_p95_ms > 0), "no dictation is in the history");
}

// A key is made and revoked by keyboard alone; it opens what its role may do, and nothing afterwards.
async function keys(house, page) {
  await page.getByRole("link", { name: "Keys", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Make a key" }).waitFor();
  const name = page.getByLabel("Name", { exact: true });
  await name.focus();
  await page.keyboard.press("Enter");
  await page.getByText("Give it a name.").waitFor();
  await page.keyboard.type("notes");
  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.value), /client/);
  await page.keyboard.press("Tab");
  await page.keyboard.type("0");
  await page.keyboard.press("Enter");
  await page.getByText("A whole number from 1").waitFor();
  await both(house, page, "keys");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("600");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Copy" }).click();
  const key = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(key, /^sk-scout-/);
  const asked = async (path) => (await fetch(house.given.server + path, { headers: { Authorization: `Bearer ${key}` } })).status;
  assert.deepEqual([await asked("/v1/models"), await asked("/api/v1/keys")], [200, 403]);
  await page.getByRole("button", { name: "Done" }).click();
  assert.ok(!(await page.content()).includes(key), "the key is still on the page");
  const revoke = page.getByRole("button", { name: "Revoke the key of notes" });
  await revoke.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.ok(await revoke.evaluate((e) => e === document.activeElement), "the focus is lost");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).press("Enter");
  await revoke.waitFor({ state: "detached" });
  assert.equal(await asked("/v1/models"), 401);
}

// A receiver takes messages, or refuses them.
async function receiver() {
  const got = [];
  let status = 204;
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    got.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
    response.writeHead(status).end();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/hook`, got, answer: (s) => (status = s), close: () => (server.closeAllConnections(), server.close()) };
}

async function webhooks(house, page) {
  const to = await receiver();
  try {
    await page.getByRole("link", { name: "Webhooks", exact: true }).click();
    await page.getByText("No webhooks yet").waitFor();
    await page.getByRole("button", { name: "Add a webhook" }).click();
    await page.getByLabel("Address").fill("example.org");
    await page.getByRole("button", { name: "Add it" }).click();
    await page.getByText("An address begins with").waitFor();
    await page.getByLabel("Address").fill(to.url);
    await page.getByLabel("health.changed").check();
    await page.getByRole("button", { name: "Add it" }).click();
    await page.getByRole("button", { name: "Copy" }).click();
    const secret = await page.evaluate(() => navigator.clipboard.readText());
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Test" }).click();
    await page.getByText(/Answered 204 in/).waitFor();
    const [{ headers, body }] = to.got;
    const signed = createHmac("sha256", Buffer.from(secret.replace("whsec_", ""), "base64")).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`).digest("base64");
    assert.equal(headers["webhook-signature"], `v1,${signed}`, "the secret that was shown does not sign");

    // An event is sent with the words, and sent again.
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("job.cancelled").check();
    await page.getByLabel("Send the words, too").check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("with the words").waitFor();
    await house.ask("/api/v1/queue/pause", { method: "POST" });
    const { data } = await house.ask("/api/v1/recordings?source=browser&limit=1");
    const job = await house.ask("/api/v1/jobs", { method: "POST", data: { kind: "transcribe", recording_id: data[0].id, force: true } });
    await house.ask(`/api/v1/jobs/${job.id}/cancel`, { method: "POST" });
    await house.ask("/api/v1/queue/resume", { method: "POST" });
    await page.getByRole("button", { name: "Deliveries" }).click();
    await page.getByText("delivered", { exact: true }).first().waitFor();
    const sent = () => to.got.filter((one) => one.body.includes("job.cancelled")).map((one) => one.headers["webhook-id"]);
    assert.equal(sent().length, 1);
    await page.getByRole("button", { name: "Send again: a job that was cancelled" }).click();
    for (const until = Date.now() + patience; sent().length < 2; await page.waitForTimeout(50)) assert.ok(Date.now() < until, "it is not sent again");
    assert.equal(new Set(sent()).size, 1, "the same message has two ids");
    to.answer(500);
    await page.getByRole("button", { name: "Test" }).click();
    await page.locator(".result.bad", { hasText: /\d ms/ }).waitFor();
    await both(house, page, "webhooks");
    await privacy(house, page, new URL(to.url).host);
    await page.getByRole("link", { name: "Webhooks", exact: true }).click();
    await page.getByRole("switch").click();
    await page.getByText("Off: nothing is sent").waitFor();
    await page.getByRole("button", { name: /^Delete the webhook/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("No webhooks yet").waitFor();
    assert.deepEqual((await house.ask("/api/v1/webhooks")).data, []);
  } finally {
    to.close();
  }
}

// What leaves the machine is named, and what is removed is gone.
async function privacy(house, page, host) {
  await page.getByRole("link", { name: "Privacy", exact: true }).click();
  await page.getByText(`The webhook ${host} is told of events, with the words`).waitFor();
  await page.getByText("Texts are kept until you remove them.").waitFor();
  await both(house, page, "privacy");
  const { data } = await house.ask("/api/v1/storage");
  for (const kind of ["browser", "database", "recordings", "sessions"]) assert.ok(data.find((one) => one.kind === kind)?.bytes > 0, `${kind} is not told of`);
  await page.getByRole("button", { name: "Remove everything", exact: true }).click();
  const dialog = page.getByRole("dialog");
  assert.ok(await dialog.getByRole("button", { name: "Remove everything" }).isDisabled(), "everything goes without a word");
  await house.accessible(page, "before everything goes");
  await dialog.getByRole("button", { name: "Cancel" }).click();

  // What the trash has goes for good. The rest stays: the test of it is on the disk.
  const { data: kept } = await house.ask("/api/v1/recordings?source=microphone&limit=1");
  await house.ask(`/api/v1/recordings/${kept[0].id}`, { method: "DELETE" });
  await page.reload();
  await page.getByRole("button", { name: "Empty: Trash" }).click();
  await dialog.getByRole("button", { name: "Empty the trash" }).click();
  await page.getByText(/Removed\..*are free again/).waitFor();
  assert.equal((await house.owner.request.get(`${house.way.url}/api/v1/recordings/${kept[0].id}`)).status(), 404);
}

// Pictures of every part: as it is at first, and with everything in it.
export async function pictures(house) {
  const { snap } = house;
  for (const part of ["", "/models", "/settings", "/keys", "/webhooks", "/privacy"]) {
    const page = await house.page("/system" + part);
    await page.locator("li, .field, form, .none").first().waitFor();
    await page.waitForTimeout(400);
    await snap(page, "system" + part.replace("/", "-"));
    await page.close();
  }
  await filled(house);
}

// told answers a path of the interface with something else than the daemon would.
const told = (page, path, change) => page.route(path, async (route) => {
  const answer = await route.fetch();
  await route.fulfill({ response: answer, json: change(await answer.json()) });
});

// A busy hour, in which the machine slept for a while.
function busy({ span, step_seconds }) {
  const now = Math.floor(Date.now() / 1000 / step_seconds) * step_seconds;
  const data = Array.from({ length: span === "day" ? 280 : 350 }, (_, i) => {
    const work = Math.max(0, Math.sin(i / 22) + 0.3 * Math.sin(i / 3));
    const texts = i % 9 === 0 ? 1 : 0;
    return {
      at: new Date((now - (350 - i) * step_seconds) * 1000).toISOString(), memory_bytes: 60e6 + Math.round(work * 330e6), memory_soft_bytes: work > 0.1 ? 513e6 : 210e6, processor_percent: 1 + work * 55,
      level: i > 270 && i < 290 ? 2 : i > 260 && i < 300 ? 1 : 0, waiting: Math.round(work * 7), running: work > 0.2 ? 1 : 0, behind_seconds: 0, errors: i % 71 === 0 ? 1 : 0, texts,
      ...(texts ? { text_p50_ms: 110 + 40 * work, text_p95_ms: 170 + 90 * work } : {}),
    };
  }).filter((_, i) => i < 120 || i > 160);
  return { span, step_seconds, since: new Date(Date.now() - 26 * 3600_000).toISOString(), data };
}

async function filled(house) {
  const { snap } = house;
  let page = await house.page("/library");
  await told(page, "**/api/v1/status/history*", busy);
  await told(page, "**/api/v1/health", (health) => ({
    ...health, status: "Degraded", degradation: { level: 1, name: "medium", reason: "live text was 4.2 s behind", since: new Date(Date.now() - 150_000).toISOString() },
    components: health.components.map((one) => one.name === "webhooks" ? { ...one, status: "Degraded", reason: "3 deliveries wait: example.org answers 503", since: new Date(Date.now() - 900_000).toISOString() } : one),
  }));
  await page.getByRole("link", { name: "System" }).first().click();
  await page.locator("canvas").first().waitFor();
  await snap(page, "system-degraded");
  await page.getByText("Recent activity").evaluate((e) => e.scrollIntoView());
  await page.waitForTimeout(300);
  await snap(page, "system-charts");
  await page.getByRole("group", { name: "Memory", exact: true }).focus();
  for (let i = 0; i < 40; i++) await page.keyboard.press("ArrowLeft");
  await snap(page, "system-charts-pointed");
  await page.close();

  await house.ask("/api/v1/keys", { method: "POST", data: { name: "Notes on the laptop", role: "client", requests_per_minute: 120 } });
  await house.ask("/api/v1/keys", { method: "POST", data: { name: "backup", role: "owner" } });
  page = await house.page("/system/keys");
  await page.getByLabel("Name").fill("Kitchen");
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByRole("button", { name: "Copy" }).waitFor();
  await snap(page, "system-keys-made");
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByLabel("Requests per minute").fill("many");
  await page.getByRole("button", { name: "Make the key" }).click();
  await snap(page, "system-keys-wrong");
  await page.getByRole("button", { name: /^Revoke the key of backup/ }).click();
  await snap(page, "system-keys-revoke");
  await page.close();

  await house.ask("/api/v1/webhooks", { method: "POST", data: { url: "https://notes.example.org/hooks/scout?channel=speech", events: ["transcript.revised", "job.succeeded"], include_text: true } });
  await house.ask("/api/v1/webhooks", { method: "POST", data: { url: "http://127.0.0.1:9/alarm", events: ["health.changed"], enabled: false } });
  page = await house.page("/system/webhooks");
  const at = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
  await page.route("**/deliveries?*", (route) => route.fulfill({ json: { data: [
    { n: 3, message_id: "a", event: "transcript.revised", state: "waiting", attempts: 2, status: 503, at: at(70), next_attempt_at: at(-480), error: { code: "webhook_failed", message: "notes.example.org answered 503", type: "server_error", param: null, retryable: true } },
    { n: 2, message_id: "b", event: "job.succeeded", state: "delivered", attempts: 1, status: 204, at: at(4000), ended_at: at(4000) },
    { n: 1, message_id: "c", event: "transcript.revised", state: "dead", attempts: 7, at: at(200_000), ended_at: at(90_000), error: { code: "webhook_failed", message: "no connection to notes.example.org", type: "server_error", param: null, retryable: true } },
  ] } }));
  await page.getByRole("button", { name: "Test" }).last().click();
  await page.locator(".result.bad", { hasText: /\w/ }).waitFor();
  await page.getByRole("button", { name: "Deliveries" }).first().click();
  await page.getByText("delivered").waitFor();
  await snap(page, "system-webhooks-some");
  await page.getByRole("button", { name: "Add a webhook" }).click();
  await page.getByRole("button", { name: "Add it" }).click();
  await snap(page, "system-webhooks-form");
  await page.close();
  page = await house.page("/system/privacy");
  await page.getByText("What is stored where").waitFor();
  await snap(page, "system-privacy-outside");
  await page.getByRole("button", { name: "Remove everything", exact: true }).scrollIntoViewIfNeeded();
  await snap(page, "system-privacy-end");
  await page.getByRole("button", { name: "Remove everything", exact: true }).click();
  await snap(page, "system-privacy-remove");
  await page.close();
}
