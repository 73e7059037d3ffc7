import { afterEach, beforeEach, expect, it, vi } from "vitest";

const world = vi.hoisted(() => ({ follows: new Map<string, (e: unknown) => void>(), recorder: { state: "recording", recording: { id: "a", live: true, seconds: 1 } } as { state: string; recording?: { id: string; live: boolean; seconds: number } } }));
vi.mock("../live/events.svelte", () => ({
  events: {
    on: () => () => undefined,
    follow: (topic: string, hear: (e: unknown) => void) => (world.follows.set(topic, hear), () => world.follows.delete(topic)),
  },
}));
vi.mock("../lib/scout.svelte", () => ({ scout: { get recorder() { return world.recorder; }, readRecorder: () => Promise.resolve() } }));
vi.mock("./microphone", () => ({ open: () => Promise.reject(new Error("none")) }));
const { dictating } = await import("./dictating.svelte");
const { toasts } = await import("../lib/toasts.svelte");

let away: string;
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
beforeEach(async () => {
  away = "";
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    if (away && url.includes(away)) throw new TypeError("no network");
    return url.includes("/transcripts/") ? json({ error: { code: "not_found", message: "none" } }, 404) : json({ id: "a", duration_seconds: 0 });
  });
  await dictating.begin();
  says({ seq: 1, type: "state", state: "listening" });
});
afterEach(() => {
  if (dictating.current) dictating.current.phase = "done";
  dictating.clear();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const says = (data: object) => world.follows.get("live:a")?.({ type: "live", data });

it("can be stopped again where Scout did not hear that it was stopped", async () => {
  away = "/recorder/stop";
  await dictating.stop();
  expect(dictating.current?.phase).toBe("listening");
  away = "";
  await dictating.stop();
  expect(dictating.current?.phase).toBe("stopping");
});

it("does not say that it was cancelled where it goes on", async () => {
  away = "/cancel";
  await dictating.cancel();
  expect([dictating.current?.phase, toasts.all.some((one) => one.text.startsWith("Stopped"))]).toEqual(["listening", false]);
});

it("waits for the recorder where nobody can say what it does", async () => {
  vi.useFakeTimers();
  world.recorder = { state: "failed" };
  const before = world.follows.get("live:a");
  before?.({ type: "error" });
  await vi.advanceTimersByTimeAsync(600);
  expect(dictating.current?.phase).toBe("listening");
  expect(world.follows.get("live:a")).not.toBe(before);
});

it("does not stand still where its events end without the last one", async () => {
  world.recorder = { state: "idle" };
  await dictating.stop();
  world.follows.get("live:a")?.({ type: "ended" });
  await vi.waitFor(() => expect([dictating.current?.phase, dictating.current?.version]).toEqual(["done", 0]));
});
