// The states of the library, for pictures.

import { readFileSync } from "node:fs";
import { fixtures, keep, kept, rows, textOf } from "./library.mjs";

// told answers a path of the interface with something else than the daemon would.
const told = (page, path, change) => page.route(path, async (route) => {
  const answer = await route.fetch();
  await route.fulfill({ response: answer, json: change(await answer.json()) });
});

export async function pictures(house) {
  const { snap } = house;
  let page = await house.page("/library?tag=nowhere");
  await page.route("**/api/v1/recordings?*", (route) => route.fulfill({ json: { data: [] } }));
  await page.goto(house.way.url + "/library");
  await page.getByText("Nothing recorded yet").waitFor();
  await snap(page, "library-empty");
  await page.close();

  const { id, rtl, cjk } = await fixtures(house);
  const patch = { method: "PATCH", data: { title: "Planning the harvest", tags: ["garden", "meeting"] } };
  await house.ask(`/api/v1/recordings/${id}`, patch);

  page = await house.page(`/library/${id}?q=harvest`);
  await page.locator("[data-line]").first().waitFor();
  await page.getByRole("slider").click();
  await snap(page, "library-found");
  await page.getByRole("button", { name: "Doubtful words" }).click();
  await page.keyboard.press("n");
  await snap(page, "library-doubtful");
  await page.getByRole("button", { name: "Doubtful words" }).click();
  await page.locator("[data-line]").nth(1).dblclick();
  await snap(page, "library-editing");
  await page.keyboard.press("Control+End");
  await page.keyboard.type(" Bread, too.");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.getByRole("button", { name: "History" }).click();
  await page.locator("ins").first().waitFor();
  await snap(page, "library-history");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Export" }).click();
  await snap(page, "library-export");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "New text" }).click();
  await page.getByLabel("Model").waitFor();
  await snap(page, "library-new-text");
  await page.keyboard.press("Escape");
  await page.close();

  for (const [name, which] of [["right-to-left", rtl], ["chinese", cjk]]) {
    page = await house.page(`/library/${which}`);
    await page.locator("[data-line]").first().waitFor();
    await snap(page, `library-${name}`);
    await page.close();
  }

  page = await house.page("/library");
  await rows(page).first().waitFor();
  await snap(page, "library-list");
  const speech = { name: "Interview.wav", mimeType: "audio/wav", buffer: readFileSync(house.given.clip) };
  await page.locator("input[type=file]").setInputFiles([speech, { name: "Notes.wav", mimeType: "audio/wav", buffer: Buffer.from("This is no audio at all.") }]);
  const region = page.getByRole("region", { name: "Uploads" });
  await region.getByText("no audio that Scout can read").waitFor();
  await region.getByText("done", { exact: true }).waitFor();
  house.way.slow(250);
  await page.locator("input[type=file]").setInputFiles({ ...speech, name: "Lecture.wav", buffer: Buffer.concat(Array(40).fill(speech.buffer)) });
  await region.getByText(/[1-9]\d? % sent/).waitFor();
  await snap(page, "library-uploads");
  await page.locator("input[type=file]").setInputFiles({ ...speech, name: "Seminar.wav", buffer: Buffer.concat(Array(60).fill(speech.buffer)) });
  await region.getByRole("listitem").filter({ hasText: "Seminar" }).getByText(/[1-9]\d? % sent/).waitFor();
  await page.reload();
  await region.getByText("was sent before").first().waitFor();
  house.way.slow(0);
  await snap(page, "library-upload-left");
  await page.goto(house.way.url + "/library?q=zebra");
  await page.getByText("Nothing found").waitFor();
  await snap(page, "library-nothing");
  await page.route("**/api/v1/recordings?*deleted=true*", (route) => route.fulfill({ json: { data: [] } }));
  await page.goto(house.way.url + "/library?trash=1");
  await page.getByText(/trash is empty/).waitFor();
  await snap(page, "library-trash");
  await page.close();

  // A recording with a gap, and text that is not all there; then one whose text is being made.
  page = await house.page();
  await told(page, `**/api/v1/recordings/${id}`, (one) => ({ ...one, format: { sample_rate: 16000, channels: 1, sample_format: "s16" }, gaps: [{ start: 64000, frames: 16000, reason: "device_lost" }] }));
  await told(page, `**/api/v1/transcripts/${id}`, (one) => ({ ...one, set_aside: [{ start: 8, end: 10, code: "text_lost", reason: "the model found no words" }] }));
  await page.goto(`${house.way.url}/library/${id}`);
  await page.getByText("2 places").click();
  await snap(page, "library-gap");
  await page.close();
  page = await house.page();
  await told(page, "**/api/v1/jobs?*", () => ({ data: [{ id: "job_x", kind: "transcribe", state: "running", priority: "normal", recording_id: id, attempt: 1, max_attempts: 5, created_at: new Date().toISOString(), options: {}, progress: { fraction: 0.42, remaining_seconds: 190 } }] }));
  await page.goto(`${house.way.url}/library/${id}`);
  await page.getByText("42 %").waitFor();
  await snap(page, "library-job");
  house.way.cut();
  await page.getByText("Scout does not answer").first().waitFor();
  await snap(page, "library-offline");
  house.way.mend();
  await page.close();

  const long = await kept(house, "Lecture.wav", readFileSync(house.given.clip));
  await keep(house, long, textOf(Array.from({ length: 900 }, (_, i) => `Sentence ${i + 1} of a lecture that goes on for a long time.`)));
  page = await house.page(`/library/${long}`);
  await page.locator("[data-line]").nth(800).waitFor({ state: "attached" });
  await snap(page, "library-long");
  await page.close();

  for (const [name, options] of [["high-contrast", { contrast: "more" }], ["forced-colors", { forcedColors: "active" }], ["zoom-200", { deviceScaleFactor: 2, viewport: { width: 640, height: 400 } }]]) {
    const context = await house.context(options);
    await context.addCookies(await house.owner.cookies());
    page = await house.page(`/library/${id}`, context);
    await page.locator("[data-line]").first().waitFor();
    await snap(page, `library-${name}`);
    await context.close();
  }
}
