// What the tests and the pictures of the page share: a browser with a microphone that plays a clip, a session of the owner, and a way to the daemon that
// can be cut.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { hostname } from "node:os";
import { cable } from "../browser/cable.mjs";

export const patience = 30_000; // ms, on a busy machine

// open starts the browser. given has the paths of playwright, chromium and axe, the address of the server, the clip and the link of scout open.
export async function open(given) {
  const { chromium } = createRequire(import.meta.url)(given.playwright);
  const way = await cable(given.server);
  const browser = await chromium.launch({
    executablePath: given.chromium,
    args: [
      `--host-resolver-rules=MAP ${hostname()} 127.0.0.1`,
      "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${given.clip}`,
      ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    ],
  });
  const problems = [];
  // By its name this machine is another one to the browser: what pages may do by https alone is missing there.
  const plain = way.url.replace("127.0.0.1", hostname().toLowerCase());
  const context = async (options = {}) => {
    const made = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    made.setDefaultTimeout(patience);
    await made.grantPermissions(["microphone", "clipboard-read", "clipboard-write"], { origin: way.url });
    made.on("page", (page) => {
      page.on("pageerror", (e) => problems.push(`${page.url()}: ${e}`));
      page.on("console", (m) => /Content Security Policy|TrustedScript/.test(m.text()) && problems.push(m.text()));
      page.on("request", (r) => [way.url, plain].includes(new URL(r.url()).origin) || /^(blob|data):/.test(r.url()) || problems.push(`a request to ${r.url()}`));
    });
    return made;
  };
  const owner = await context();
  const house = {
    given, way, plain, browser, owner, sent: [], problems,
    context,
    // page opens a place as the owner.
    async page(path = "/", at = owner) {
      const page = await at.newPage();
      await page.goto(way.url + path);
      await page.locator(".frame > nav").waitFor();
      return page;
    },
    // ask is a request of the owner's to the interface.
    async ask(path, options) {
      const answer = await owner.request.fetch(way.url + path, options);
      assert.ok(answer.ok(), `${path}: ${answer.status()} ${await answer.text()}`);
      return answer.json();
    },
    // accessible fails where axe finds something serious.
    async accessible(page, what) {
      house.axe ??= readFileSync(given.axe, "utf8");
      // A colour that is still changing, for example to that of another theme, has no contrast of its own.
      await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished)).then(() => undefined));
      await page.evaluate(house.axe); // past the policy of the page, as no page can
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
      assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), [], what);
    },
    async close() {
      await browser.close();
      way.close();
    },
  };
  if (given.link) {
    const page = await owner.newPage();
    await page.goto(given.link.replace(given.server, way.url));
    assert.equal(page.url(), way.url + "/", "the link of scout open does not lead to the page");
    await page.close();
  }
  return house;
}
