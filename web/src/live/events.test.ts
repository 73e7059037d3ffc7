import { expect, it, vi } from "vitest";
import { events } from "./events.svelte";

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
