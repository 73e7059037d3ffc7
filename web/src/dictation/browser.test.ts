import { afterEach, beforeEach, expect, it, vi } from "vitest";

// A microphone that is open at once, and a database that is ready when the test says so: the first time of a browser takes its time.
const world = vi.hoisted(() => ({
  hear: (_: Int16Array) => undefined as unknown,
  ready: () => undefined as unknown,
  close: () => Promise.resolve(),
  senders: [] as { did: string[] }[],
}));
vi.mock("../live/events.svelte", () => ({ events: { on: () => () => undefined, follow: () => () => undefined } }));
vi.mock("../lib/scout.svelte", () => ({ scout: { readRecorder: () => Promise.resolve() } }));
vi.mock("./microphone", () => ({ open: (_: string, { hear }: { hear: never }) => ((world.hear = hear), Promise.resolve({ rate: 48_000, labels: {}, close: () => world.close() })) }));
vi.mock("./store", () => ({ store: { open: () => new Promise<void>((ready) => (world.ready = ready)) } }));
vi.mock("./sender", () => ({
  abandoned: () => Promise.resolve([]),
  Sender: class {
    did: string[] = [];
    constructor() {
      world.senders.push(this);
    }
    begin = () => (this.did.push("begin"), Promise.resolve(true));
    hear = (samples: Int16Array) => void this.did.push(`hear ${samples.join()}`);
    stop = () => void (this.did.at(-1) !== "stop" && this.did.push("stop"));
    cancel = () => void (this.did.at(-1) !== "cancel" && this.did.push("cancel"));
  },
}));
const { dictating } = await import("./dictating.svelte");
const settled = () => new Promise((go) => setTimeout(go, 2));

beforeEach(async () => {
  world.senders.length = 0;
  world.close = () => Promise.resolve();
  dictating.choose({ source: "browser" });
  void dictating.begin();
  await settled();
  world.hear(new Int16Array([1]));
});
afterEach(() => {
  if (dictating.current) dictating.current.phase = "done";
  dictating.clear();
});

it("is stopped where that was asked for before it could be sent, with its last sound", async () => {
  world.close = () => Promise.resolve(void world.hear(new Int16Array([2])));
  await dictating.stop();
  expect(world.senders).toEqual([]);
  world.ready();
  await settled();
  expect(world.senders[0]?.did).toEqual(["begin", "hear 1", "hear 2", "stop"]);
});

it("is cancelled where that was asked for before it could be sent", async () => {
  await dictating.cancel();
  world.ready();
  await settled();
  expect([world.senders[0]?.did.at(-1), dictating.current?.phase]).toEqual(["cancel", "cancelled"]);
});

it("leaves alone the one that was begun after it", async () => {
  await dictating.cancel();
  const { ready } = world;
  void dictating.begin();
  await settled();
  world.ready();
  await settled();
  ready();
  await settled();
  await dictating.stop();
  expect(world.senders.map(({ did }) => did.at(-1))).toEqual(["stop", "cancel"]);
});
