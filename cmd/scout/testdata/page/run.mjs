// Uses the page in Chromium against a running daemon. cmd/scout/page_test.go starts it and says where everything is, as JSON on the standard input; the last line of the
// output says what was recorded, for the test to compare with the disk. Each place has a module of its own, and all share one browser and one session.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { open } from "./browser.mjs";
import * as library from "./library.mjs";
import * as now from "./now.mjs";
import * as system from "./system.mjs";

const house = await open(JSON.parse(readFileSync(0, "utf8")));
try {
  await library.empty(house);
  await now.test(house);
  await library.test(house);
  await system.test(house);
  assert.deepEqual(house.problems, []);
  console.log(JSON.stringify({ sent: house.sent }));
} catch (e) {
  for (const page of house.browser.contexts().flatMap((context) => context.pages())) {
    console.error(`${page.url()} shows:\n${await page.innerText("body", { timeout: 1000 }).catch(() => "nothing")}`);
  }
  throw e;
} finally {
  await house.close();
}
