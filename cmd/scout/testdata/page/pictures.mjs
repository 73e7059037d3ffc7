// Makes pictures of the page: scripts/screenshots.sh starts it. Without "all" it makes those of the README; with it every state, in both themes and three widths.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "./browser.mjs";
import { pictures as library } from "./library-pictures.mjs";
import { pictures as now } from "./now-pictures.mjs";
import { pictures as system } from "./system.mjs";

const given = JSON.parse(readFileSync(0, "utf8"));
const widths = given.all ? [320, 768, 1280] : [1280];
const themes = given.all ? ["light", "dark"] : ["light"];
const house = await open(given);
mkdirSync(given.to, { recursive: true });

// snap takes one state in every theme and width.
house.snap = async (page, name) => {
  if (!given.all && !given.names.includes(name)) return;
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of widths) {
      await page.setViewportSize({ width, height: width < 700 ? 640 : 800 });
      await page.waitForTimeout(250);
      await page.screenshot({ path: join(given.to, given.all ? `${name}-${theme}-${width}.png` : `page-${name}.png`) });
    }
  }
};
try {
  if (!given.only || given.only === "now") await now(house);
  if (!given.only || given.only === "library") await library(house);
  if (!given.only || given.only === "system") await system(house);
} finally {
  await house.close();
}
