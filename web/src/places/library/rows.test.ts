import { afterEach, beforeEach, expect, it, vi } from "vitest";

const heard = vi.hoisted(() => ({ on: (_: unknown) => undefined as unknown, reset: () => undefined as unknown }));
vi.mock("../../live/events.svelte", () => ({
  events: {
    on: (_: string[], hear: (e: unknown) => void) => ((heard.on = hear as never), () => undefined),
    onReset: (call: () => void) => ((heard.reset = call as never), () => undefined),
  },
}));
const owner = vi.hoisted(() => ({ who: "owner", was: true }));
vi.mock("../../lib/scout.svelte", () => ({ scout: owner }));
const { filtersOf, Rows } = await import("./rows.svelte");

// A daemon with so many recordings; title says when an answer was made.
let there: { id: string; started_at: string; title: string }[];
let asked: string[];
let holds: Promise<void> | undefined;
const one = (n: number) => ({ id: `r${n}`, started_at: new Date(Date.UTC(2026, 10, 30) - n * 60_000).toISOString(), title: "", transcript: { state: "done" } });

beforeEach(() => {
  vi.useFakeTimers();
  there = Array.from({ length: 450 }, (_, n) => one(n));
  asked = [];
  holds = undefined;
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const { pathname, searchParams: query } = new URL(url);
    asked.push(pathname.replace("/api/v1", ""));
    const id = pathname.split("/")[4];
    const from = Number(query.get("cursor") ?? 0);
    const limit = Number(query.get("limit"));
    const body = JSON.stringify(id ? there.find((r) => r.id === id) : { data: there.slice(from, from + limit), next_cursor: from + limit < there.length ? String(from + limit) : undefined });
    await holds;
    return new Response(body, { headers: { "Content-Type": "application/json" } });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const all = () => filtersOf(new URLSearchParams());

it("reads again what has changed while the list was read", async () => {
  const rows = new Rows();
  rows.listen();
  let go: () => void = () => undefined;
  holds = new Promise((yes) => (go = yes));
  const read = rows.read(all());
  await vi.advanceTimersByTimeAsync(0);
  there[3] = { ...one(3), title: "new" };
  heard.on({ type: "recording.updated", data: { id: "r3" } });
  await vi.advanceTimersByTimeAsync(1000);
  go();
  await read;
  expect(rows.all[3]?.title).toBe("");
  await vi.advanceTimersByTimeAsync(1000);
  expect(rows.all[3]?.title).toBe("new");
});

it("stays as long as it is when it is read again", async () => {
  const rows = new Rows();
  rows.listen();
  await rows.read(all());
  for (let i = 0; i < 3; i++) await rows.more();
  expect(rows.all).toHaveLength(400);
  there.splice(10, 1);
  heard.reset();
  await vi.advanceTimersByTimeAsync(0);
  expect([rows.all.length, rows.all[10]?.id]).toEqual([400, "r11"]);
});

it("finds what is new among what was looked for", async () => {
  const rows = new Rows();
  rows.listen();
  await rows.read(filtersOf(new URLSearchParams("time=today")));
  there.unshift(one(-1));
  heard.on({ type: "recording.finished", data: { id: "r-1" } });
  await vi.advanceTimersByTimeAsync(1000);
  expect(rows.all[0]?.id).toBe("r-1");
});

it("asks once for many that have changed", async () => {
  const rows = new Rows();
  rows.listen();
  await rows.read(all());
  asked = [];
  for (let n = 0; n < 100; n++) heard.on({ type: "transcript.created", data: { id: `r${n}` } });
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toEqual(["/recordings"]);
});

it("keeps the list where this browser is somebody else now, and reads what was looked for when the owner is back", async () => {
  const rows = new Rows();
  rows.listen();
  await rows.read(all());
  owner.who = "client";
  asked = [];
  await rows.read(filtersOf(new URLSearchParams("q=one")));
  expect([asked.length, rows.all.length]).toEqual([0, 100]);
  owner.who = "owner";
  heard.reset();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(["/recordings"]);
});
