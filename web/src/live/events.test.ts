import { expect, it, vi } from "vitest";
import { events } from "./events.svelte";

it("has a stream of its own where the worker of all tabs does not come", async () => {
  const workers: { onerror?: () => void; port: { said: unknown[] } }[] = [];
  vi.stubGlobal("navigator", {}); // no locks
  vi.stubGlobal("document", { addEventListener: () => undefined, baseURI: "http://scout/" });
  vi.stubGlobal("SharedWorker", class {
    port = { said: [] as unknown[], postMessage: (m: unknown) => void this.port.said.push(m) };
    constructor() {
      workers.push(this);
    }
  });
  vi.stubGlobal("fetch", async () => new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(": ok\n\n")) })));
  vi.resetModules();
  const own = (await import("./events.svelte")).events;
  own.start();
  expect([workers[0]?.port.said[0], own.link]).toEqual([{ is: "hello", lock: undefined }, "connecting"]);
  workers[0]?.onerror?.();
  await vi.waitFor(() => expect(own.link).toBe("online"));
  vi.unstubAllGlobals();
});

it("has everything read again whenever the stream begins", async () => {
  vi.stubGlobal("navigator", {}); // no locks
  vi.stubGlobal("document", { addEventListener: () => undefined });
  const streams: ReadableStreamDefaultController[] = [];
  vi.stubGlobal("fetch", async () => new Response(new ReadableStream({ start: (c) => (streams.push(c), c.enqueue(new TextEncoder().encode(": ok\n\n"))) })));
  const reset = vi.fn();
  events.onReset(reset);
  events.start();
  await vi.waitFor(() => expect([events.link, reset.mock.calls.length]).toEqual(["online", 1]));
  events.follow("job:a", () => undefined); // another stream in the place of the first: nothing was missed
  await vi.waitFor(() => expect(streams).toHaveLength(2));
  await new Promise((go) => setTimeout(go, 20));
  expect(reset).toHaveBeenCalledTimes(1);
  streams[1]?.close();
  await vi.waitFor(() => expect(reset).toHaveBeenCalledTimes(2));
  vi.unstubAllGlobals();
});
