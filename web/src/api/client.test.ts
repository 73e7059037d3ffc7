import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ask, client } from "./client";

const busy = (status: number, ms?: number) => () => new Response('{"error":{"code":"unavailable","message":"busy","retryable":true}}', { status, headers: { "Content-Type": "application/json", ...(ms === undefined ? {} : { "Retry-After-Ms": String(ms) }) } });
const tags = () => new Response('{"data":[]}', { headers: { "Content-Type": "application/json" } });

// A daemon that gives these answers, the last one for ever.
function daemon(...answers: (() => Response)[]) {
  let asked = 0;
  vi.stubGlobal("fetch", () => Promise.resolve((answers[Math.min(asked++, answers.length - 1)] ?? tags)()));
  return () => asked;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

// outcome is what comes of a call when as much time has passed as it takes.
async function outcome(call: Promise<unknown>): Promise<unknown> {
  const came = call.then(
    () => "read",
    (e: unknown) => (e as { status: number }).status,
  );
  await vi.runAllTimersAsync();
  return came;
}
const read = () => outcome(ask(client.GET("/api/v1/tags")));

it("asks again when Scout says so, and not for ever", async () => {
  let asked = daemon(busy(429, 1000), busy(503, 2000), tags);
  expect([await read(), asked()]).toEqual(["read", 3]);
  asked = daemon(busy(503, 1000));
  expect([await read(), asked()]).toEqual([503, 3]);
});

it("does not wait for long, nor where Scout names no time", async () => {
  for (const answer of [busy(503, 60_000), busy(503), busy(500, 1000)]) {
    const asked = daemon(answer);
    await read();
    expect(asked()).toBe(1);
  }
});

it("does nothing twice that changes something", async () => {
  const asked = daemon(busy(503, 1000));
  expect(await outcome(ask(client.POST("/api/v1/recorder/stop", { body: {} })))).toBe(503);
  expect(asked()).toBe(1);
});
