import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Event } from "../../live/hub";

const heard = vi.hoisted(() => ({ on: new Set<(e: unknown) => void>(), follows: new Map<string, (e: unknown) => void>() }));
vi.mock("../../live/events.svelte", () => ({
  events: {
    on: (_: string[], hear: (e: unknown) => void) => (heard.on.add(hear), () => heard.on.delete(hear)),
    onReset: () => () => undefined,
    follow: (topic: string, hear: (e: unknown) => void) => (heard.follows.set(topic, hear), () => heard.follows.delete(topic)),
  },
}));
const owner = vi.hoisted(() => ({ who: "owner", look: () => Promise.resolve() }));
vi.mock("../../lib/scout.svelte", () => ({ scout: owner }));
const { Opened, placeOf } = await import("./opened.svelte");
const { toasts } = await import("../../lib/toasts.svelte");

const segment = (text: string, start: number) => ({ text, start, end: start + 2, words: [] });
let state: string;
let segments: ReturnType<typeof segment>[];
let version: number;
let answers: Record<string, () => unknown>;
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

beforeEach(() => {
  [state, version, segments] = ["done", 1, [segment("One.", 0), segment("Two.", 2)]];
  answers = {};
  vi.stubGlobal("fetch", async ({ method, url }: Request) => {
    const path = new URL(url).pathname.replace("/api/v1", "");
    const made = answers[`${method} ${path}`];
    if (made) return made();
    if (path === "/jobs") return json({ data: [] });
    if (path.startsWith("/recordings/")) return json({ id: "a", title: "A talk", transcript: { state, version } });
    return json({ id: "a", version, segments });
  });
});
afterEach(() => {
  heard.on.clear();
  heard.follows.clear();
  vi.unstubAllGlobals();
});
const tell = (e: Event) => heard.on.forEach((hear) => hear(e));
const settled = () => new Promise((go) => setTimeout(go, 5));

it("does not show that a text is being made when the text is there", async () => {
  let late: (answer: Response) => void = () => undefined;
  answers["GET /transcriptions/a"] = () => new Promise<Response>((go) => (late = go));
  state = "running";
  const opened = new Opened("a");
  await settled();
  state = "done";
  tell({ type: "transcription.done", data: { id: "a", recording: "a" } });
  await settled();
  late(json({ state: "running" }));
  await settled();
  expect(opened.owed).toBeUndefined();
  opened.close();
});

it("forgets a job that was removed", async () => {
  answers["GET /jobs"] = () => json({ data: [{ id: "job_1", kind: "transcribe", state: "running" }] });
  const opened = new Opened("a");
  await settled();
  expect(opened.job?.id).toBe("job_1");
  heard.follows.get("job:job_1")?.({ type: "error", topic: "job:job_1" });
  expect([opened.job, heard.follows.size]).toEqual([undefined, 0]);
  opened.close();
});

it("keeps a line that was not saved for when its recording is opened again", async () => {
  answers["PATCH /transcripts/a"] = () => json({ error: { code: "precondition_failed", message: "another version" } }, 412);
  const opened = new Opened("a");
  await settled();
  const saved = opened.edit(0, "One.", "Wan.");
  opened.close(); // another one was clicked
  await saved;
  expect(toasts.all.map((one) => one.text).join()).toMatch(/“A talk” was not saved/);
  const again = new Opened("a");
  expect(again.unsaved).toMatchObject({ text: "Wan.", was: { text: "One." } });
  again.close();
});

it("saves a line again where it is now, and nowhere else", async () => {
  const was = { text: "Two.", start: 2, end: 4 };
  const lines = (...all: [string, number][]) => all.map(([text, start], index) => ({ index, text, start, end: start + 2, words: [] }));
  expect(placeOf(lines(["One. And a half.", 0], ["Two.", 2.5]), was)).toBe(1);
  expect(placeOf(lines(["Two.", 60], ["Two!", 2]), was)).toBeUndefined();
  expect(placeOf(lines(["Two.", 0], ["Two.", 2.1], ["Two.", 4]), was)).toBe(1);
});

it("keeps what is shown and what was typed where this browser is somebody else now, and says what is gone to the owner alone", async () => {
  const opened = new Opened("a");
  await settled();
  const gone = () => json({ error: { code: "recording_not_found", message: "none" } }, 404);
  answers = { "GET /recordings/a": gone, "PATCH /transcripts/a": gone };
  owner.look = () => Promise.resolve(void (owner.who = "client"));
  await opened.edit(0, "One.", "Wan.");
  await settled();
  expect([opened.problem, opened.lines[0]?.text, opened.unsaved?.text]).toEqual([undefined, "One.", "Wan."]);
  owner.look = () => Promise.resolve(void (owner.who = "owner"));
  await opened.refresh();
  await settled();
  expect(opened.problem?.status).toBe(404);
  opened.close();
  new Opened("a").close(); // what it kept
});
