// The states of the place where one dictates, for pictures.

import { fromBrowser } from "./now.mjs";

// told answers a path of the interface with something else than the daemon would.
const told = (page, path, change) => page.route(`**${path}`, async (route) => {
  const answer = await route.fetch();
  await route.fulfill({ response: answer, json: change(await answer.json()) });
});

// played shows a dictation of the machine's microphone whose events come from here.
async function played(page, id, events) {
  await told(page, "/api/v1/recorder", () => ({ state: "recording", recording: { id, started_at: new Date().toISOString(), seconds: 58, format: {}, captured_frames: 0, written_frames: 0, synced_frames: 0, waiting_frames: 0, lost_frames: 0, gaps: 0, condition: "", live: true } }));
  await page.route("**/api/v1/events*", (route) => {
    const lines = events.map((data) => `event: live\ndata: ${JSON.stringify({ topic: `live:${id}`, type: "live", at: new Date().toISOString(), data })}\n\n`);
    route.fulfill({ contentType: "text/event-stream", body: lines.join("") });
  });
}

const said = (seq, text, more = {}) => ({ seq, type: "committed", text, ...more });
const state = (seq, name, more = {}) => ({ seq, type: "state", state: name, ...more });

const english = [
  state(1, "listening"),
  said(2, "The meeting begins at nine, and everybody brings the figures of last week."),
  said(3, " We look at them together, and decide what is to be done until Thursday."),
  { seq: 4, type: "gap", start: 31, end: 34.5, reason: "device_lost" },
  said(5, " Anna writes down what we agree on."),
  { seq: 6, type: "behind", start: 41, end: 58, delay_seconds: 6 },
  { type: "partial", text: " The next time we", after: 5 },
];

export async function pictures(house) {
  const { snap } = house;
  const stranger = await (await house.context()).newPage();
  await stranger.goto(house.way.url);
  await stranger.getByText("scout open", { exact: true }).waitFor();
  await snap(stranger, "no-session");
  await stranger.context().close();

  let page = await house.page();
  await page.getByText("Get ready to dictate").waitFor();
  await page.getByText("finds no microphone").waitFor();
  await snap(page, "no-microphone");
  await page.route("**/api/v1/devices", (route) => route.fulfill({ json: { backend: "pipewire", data: [{ id: "mic", name: "Built-in microphone", default: true, monitor: false, formats: [] }] } }));
  await page.reload();
  await page.getByText("is installed").waitFor();
  await snap(page, "first-run");
  await fromBrowser(page);
  await page.getByRole("button", { name: "Check the microphone" }).click();
  await page.getByText("Scout hears you").waitFor();
  await snap(page, "first-run-heard");
  await page.close();

  page = await house.page();
  await told(page, "/api/v1/models", (models) => ({ data: models.data.map((one) => ({ ...one, state: one.state === "installed" ? "available" : one.state })) }));
  await page.reload();
  await page.getByText("is not installed yet").waitFor();
  await snap(page, "model-missing");
  await page.close();

  page = await house.page();
  await told(page, "/api/v1/models", (models) => ({ data: models.data.map((one) => (one.roles.includes("fast") ? { ...one, state: "pulling", job_id: "job_x" } : one)) }));
  await page.reload();
  await page.getByText("Installing").waitFor();
  await snap(page, "model-downloading");
  await page.close();

  // A dictation from the browser, from its first word to its text.
  page = await house.page();
  await page.keyboard.press("Space");
  await page.locator(".partial, .words span").first().waitFor();
  await page.waitForTimeout(5000);
  await snap(page, "listening");
  house.way.cut();
  await page.getByText("nothing is lost").waitFor();
  await page.waitForTimeout(1500);
  await snap(page, "offline-recording");
  house.way.mend();
  await page.getByText("Scout was away from").waitFor();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Copy" }).waitFor();
  await snap(page, "text");
  await page.reload();
  await page.getByText("Lately").waitFor();
  await snap(page, "idle");
  await page.keyboard.press("?");
  await snap(page, "shortcuts");
  await page.keyboard.press("Escape");
  house.way.cut();
  await page.getByText("Scout does not answer").first().waitFor();
  await snap(page, "offline");
  house.way.mend();
  await page.close();

  // What the daemon of a picture cannot be made to do.
  const shown = async (name, events, { after, options } = {}) => {
    const context = options ? await house.context(options) : undefined;
    if (context) await context.addCookies(await house.owner.cookies());
    const page = await (context ?? house.owner).newPage();
    await page.addInitScript(() => delete window.SharedWorker); // its requests are no page's
    await played(page, "20261130T090000000Z-7f3a9c2e41d0", events);
    await page.goto(house.way.url);
    await page.locator(".words").waitFor();
    await page.waitForTimeout(400);
    await after?.(page);
    await snap(page, name);
    await page.close();
    await context?.close();
  };
  await shown("gap-and-behind", english);
  await shown("away", [...english.slice(0, 3), state(7, "starting", { error: { code: "device_lost", message: "the microphone is away" } })]);
  await shown("degraded", [state(1, "listening", { degradation: 1 }), said(2, "Words come when they are settled.")]);
  await shown("failed", [...english.slice(0, 3), state(8, "failed", { error: { code: "engine_failed", message: "the engine ended several times" } })]);
  await shown("long", [state(1, "listening"), ...Array.from({ length: 3000 }, (_, i) => said(i + 2, ` Sentence ${i + 1} of a talk that goes on for three hours.`)), { type: "partial", text: " And it still", after: 3001 }]);
  await shown("right-to-left", [state(1, "listening"), said(2, "اجتمع الفريق صباح اليوم وناقش الخطة الجديدة."), { type: "partial", text: " ثم بدأ العمل", after: 2 }]);
  await shown("chinese", [state(1, "listening"), said(2, "今天上午我们开会讨论了新的计划，然后开始工作。"), { type: "partial", text: "下一次会议", after: 2 }]);
  await shown("high-contrast", english, { options: { contrast: "more" } });
  await shown("reduced-motion", english, { options: { reducedMotion: "reduce" } });
  await shown("forced-colors", english, { options: { forcedColors: "active" } });
  await shown("zoom-200", english, { options: { deviceScaleFactor: 2, viewport: { width: 640, height: 400 } } });
  await shown("better", [state(1, "listening"), said(2, "The meeting begins at nine and every body brings the figures of last weak."), { seq: 3, type: "final", text: "The meeting begins at nine and every body brings the figures of last weak.", version: 1, complete: true, duration: 6.2 }, { seq: 4, type: "revised", kind: "second_pass", complete: true, text: "The meeting begins at nine, and everybody brings the figures of last week.", version: 2 }, state(5, "done")], {
    after: async (page) => { await page.getByRole("button", { name: "What changed" }).click(); },
  });

  const denied = await house.browser.newContext({ viewport: { width: 1280, height: 800 } });
  await denied.addCookies(await house.owner.cookies());
  page = await denied.newPage();
  await page.addInitScript(() => (navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"))));
  await page.goto(house.way.url);
  await page.locator(".record").waitFor();
  await fromBrowser(page);
  await page.locator(".record").focus();
  await page.keyboard.press("Space");
  await page.getByText("may not use the microphone").waitFor();
  await snap(page, "denied");
  await denied.close();
}
