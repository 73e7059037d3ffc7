import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Event } from "../live/hub";

interface Options {
  onBeforeRequest(): Promise<void>;
  onAfterResponse(request: unknown, answer: { getStatus(): number; getHeader(name: string): string | undefined }): Promise<void>;
  onProgress(bytes: number): void;
  onShouldRetry(e: Error): boolean;
  urlStorage: { addUpload(print: string, upload: unknown): Promise<string>; findAllUploads(): Promise<unknown[]> };
  onSuccess(of: { lastResponse: { getHeader(name: string): string | undefined } }): void;
  onError(e: Error): void;
}
const world = vi.hoisted(() => ({ on: new Set<(e: unknown) => void>(), follows: new Map<string, (e: unknown) => void>(), sends: [] as { options: Options; url: string; started: boolean }[] }));
vi.mock("../live/events.svelte", () => ({
  events: {
    link: "online",
    on: (_: string[], hear: (e: unknown) => void) => (world.on.add(hear), () => world.on.delete(hear)),
    onReset: () => () => undefined,
    follow: (topic: string, hear: (e: unknown) => void) => (world.follows.set(topic, hear), () => world.follows.delete(topic)),
  },
}));
vi.mock("../lib/scout.svelte", () => ({ scout: { who: "owner", look: () => Promise.resolve() } }));
vi.mock("tus-js-client", () => ({
  defaultOptions: { urlStorage: { addUpload: () => { throw new DOMException("full", "QuotaExceededError"); }, findAllUploads: () => { throw new DOMException("no", "SecurityError"); } } },
  DetailedError: class extends Error {
    constructor(readonly originalResponse: unknown) {
      super("refused");
    }
  },
  Upload: class {
    url = `http://scout/api/v1/uploads/upl_${world.sends.length}`;
    started = false;
    constructor(_: File, readonly options: Options) {
      world.sends.push(this);
    }
    findPreviousUploads = () => Promise.resolve([]);
    abort = () => Promise.resolve();
    start() {
      this.started = true;
    }
  },
}));
const { uploads } = await import("./uploads.svelte");
const { DetailedError } = (await import("tus-js-client")) as unknown as { DetailedError: new (answer: unknown) => Error };

const job = (id: string, state = "queued") => ({ id, kind: "transcribe", state });
const json = (body: unknown) => new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });

beforeEach(() => {
  world.sends.length = 0;
  world.follows.clear();
  vi.stubGlobal("fetch", async ({ url }: Request) => json(url.includes("/jobs/") ? job(url.split("/").at(-1) ?? "") : { wait_seconds: 1 }));
});
afterEach(() => {
  for (const one of uploads.all) uploads.remove(one);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const give = (count: number) => uploads.add(Array.from({ length: count }, (_, i) => new File([`sound ${i}`], `${i}.wav`)));
const sent = (i: number, headers: Record<string, string> = { "Scout-Recording": `r${i}`, "Scout-Job": `job_${i}` }) => world.sends[i]?.options.onSuccess({ lastResponse: { getHeader: (name) => headers[name] } });
const tell = (e: Event) => world.on.forEach((hear) => hear(e));
const states = () => uploads.all.map((one) => one.state);

it("does not call a file done that is no recording yet, because the queue is full", async () => {
  give(1);
  await vi.waitFor(() => expect(world.sends[0]?.started).toBe(true));
  sent(0, {});
  expect([states(), uploads.all[0]?.whole]).toEqual([["queued"], true]);
  tell({ type: "upload.finished", data: { id: "r", upload_id: "upl_0", job_id: "job_0" } });
  expect([uploads.all[0]?.recording, uploads.all[0]?.whole, [...world.follows.keys()]]).toEqual(["r", false, ["job:job_0"]]);
});

it("follows few of many, and hears of each all the same", async () => {
  give(20);
  for (let i = 0; i < 20; i++) {
    await vi.waitFor(() => expect(world.sends[i]?.started).toBe(true));
    sent(i);
  }
  expect(world.follows.size).toBe(8);
  tell({ type: "job.succeeded", data: { id: "job_19" } });
  world.follows.get("job:job_19")?.({ type: "job", data: job("job_19", "succeeded") });
  expect([states()[19], world.follows.size]).toEqual(["done", 8]);
  world.follows.get("job:job_0")?.({ type: "job", data: job("job_0", "succeeded") });
  expect([states()[0], world.follows.size, world.follows.has("job:job_8")]).toEqual(["done", 8, true]);
});

it("sends a file by itself that Scout did not take at first", async () => {
  give(1);
  await vi.waitFor(() => expect(world.sends[0]?.started).toBe(true));
  vi.useFakeTimers();
  world.sends[0]?.options.onError(new DetailedError({ getStatus: () => 503, getBody: () => '{"error":{"code":"unavailable","message":"busy","retryable":true}}' }));
  expect([states(), uploads.all[0]?.waits, uploads.count.failed]).toEqual([["failed"], true, 0]);
  await vi.advanceTimersByTimeAsync(10_000);
  vi.useRealTimers();
  await vi.waitFor(() => expect(world.sends[1]?.started).toBe(true));
});

it("sends nothing of a file that was removed in time, and says which cannot be read", async () => {
  give(1);
  uploads.remove(uploads.all[0]!);
  uploads.add([{ name: "x", size: 1, lastModified: 1, slice: () => { throw new DOMException("gone", "NotFoundError"); } } as unknown as File]);
  await vi.waitFor(() => expect(uploads.all[0]?.problem?.code).toBe("file_unreadable"));
  expect(world.sends.filter((one) => one.started)).toEqual([]);
});

it("tells how much Scout has where a connection broke, and not what was given to it", async () => {
  uploads.add([new File(["0123456789"], "a.wav")]);
  await vi.waitFor(() => expect(world.sends[0]?.started).toBe(true));
  const { options } = world.sends[0]!;
  const one = uploads.all[0]!;
  options.onProgress(9);
  expect(one.fraction).toBe(0.9);
  await options.onAfterResponse(undefined, { getStatus: () => 200, getHeader: () => "2" });
  expect(one.fraction).toBe(0.2);
  options.onProgress(8);
  options.onError(new DetailedError(undefined));
  uploads.again(one);
  expect(one.fraction).toBe(0.2);
});

it("says that a file cannot be read any more that is gone while it is sent, and does not wait for Scout", async () => {
  let gone = false;
  const file = new File(["sound"], "a.wav");
  const slice = file.slice.bind(file);
  file.slice = (...part) => (gone ? ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotFoundError")) } as unknown as Blob) : slice(...part));
  uploads.add([file]);
  await vi.waitFor(() => expect(world.sends[0]?.started).toBe(true));
  const { options } = world.sends[0]!;
  await options.onBeforeRequest();
  gone = true;
  await expect(options.onBeforeRequest()).rejects.toThrow("cannot be read");
  expect(options.onShouldRetry(new DetailedError(undefined))).toBe(false);
  options.onError(new DetailedError(undefined));
  expect([uploads.all[0]?.problem?.code, uploads.all[0]?.waits]).toEqual(["file_unreadable", false]);
});

it("goes on by itself where a connection breaks again and again while Scout is there", async () => {
  give(1);
  await vi.waitFor(() => expect(world.sends[0]?.started).toBe(true));
  vi.useFakeTimers();
  world.sends[0]?.options.onError(new DetailedError(undefined));
  expect(states()).toEqual(["failed"]);
  await vi.advanceTimersByTimeAsync(10_000);
  vi.useRealTimers();
  await vi.waitFor(() => expect(world.sends[1]?.started).toBe(true));
});

it("sends a file where the browser remembers nothing", async () => {
  give(1);
  await vi.waitFor(() => expect(world.sends[0]?.started).toBe(true));
  const { urlStorage } = world.sends[0]!.options;
  expect([await urlStorage.addUpload("print", {}), await urlStorage.findAllUploads()]).toEqual(["", []]);
});
