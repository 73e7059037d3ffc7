import { expect, it, vi } from "vitest";
import { Dictation, type LiveEvent } from "./dictation.svelte";

const after = (...events: LiveEvent[]) => {
  const d = new Dictation();
  for (const e of events) d.take(e);
  return d;
};
const shown = (d: Dictation) => d.pieces.map((piece) => piece.text);

const listening: LiveEvent = { seq: 1, type: "state", state: "listening" };

it("shows settled words, then the others, and takes no event twice", () => {
  const d = after(listening, { type: "partial", text: "one two", after: 0 }, { seq: 2, type: "committed", text: "One" }, { seq: 2, type: "committed", text: "One" }, { type: "partial", text: " two", after: 2 });
  expect(d.phase).toBe("listening");
  expect(shown(d)).toEqual(["One"]);
  expect(d.partial).toBe(" two");
});

it("says what is missing at its place", () => {
  const d = after(listening, { seq: 2, type: "committed", text: "One" }, { seq: 3, type: "gap", start: 61, end: 64, reason: "device_lost" }, { seq: 4, type: "committed", text: " two" });
  expect(shown(d)).toEqual(["One", "Sound is missing from 1:01 to 1:04, because the microphone was away.", " two"]);
});

it("waits for a microphone that is away", () => {
  const d = after(listening, { seq: 2, type: "state", state: "starting", error: { code: "device_lost", message: "away" } });
  expect(d.phase).toBe("away");
  d.take({ seq: 3, type: "state", state: "listening" });
  expect([d.phase, shown(d)]).toEqual(["listening", ["Sound arrives again."]]);
});

it("is over with its final text, and keeps the first beside a better one", () => {
  const d = after(listening, { seq: 2, type: "committed", text: "Every body" }, { seq: 3, type: "final", text: "Every body", version: 1, complete: true, second_pass: { outcome: "pending" } });
  expect([d.over, d.ended, d.better, d.text]).toEqual([true, false, true, "Every body"]);
  d.take({ seq: 4, type: "revised", kind: "second_pass", text: "Everybody", version: 2, complete: true });
  d.take({ seq: 5, type: "state", state: "done" });
  expect([d.first, d.text, d.version, d.ended]).toEqual(["Every body", "Everybody", 2, true]);
});

it("stays done with a whole text when the file is complete after it", () => {
  const d = after(listening, { seq: 2, type: "final", text: "One", version: 1, complete: false, second_pass: { outcome: "pending" } }, { seq: 3, type: "state", state: "finishing" });
  expect(d.phase).toBe("done");
  const e = after(listening, { seq: 2, type: "final", text: "One", complete: false }, { seq: 3, type: "state", state: "finishing" });
  expect(e.phase).toBe("finishing");
});

it("replaces a text that was not complete without calling it better", () => {
  const d = after(listening, { seq: 2, type: "final", text: "One", complete: false }, { seq: 3, type: "revised", text: "One two", version: 1, complete: true });
  expect([d.first, d.text, d.version]).toEqual(["", "One two", 1]);
});

it("keeps what was cancelled cancelled", () => {
  const d = after(listening);
  d.phase = "cancelled";
  d.take({ seq: 2, type: "state", state: "stopping" });
  d.take({ seq: 3, type: "state", state: "done" });
  expect([d.phase, d.ended]).toEqual(["cancelled", true]);
});

it("waits for what comes before, where another tab had the events first", () => {
  const d = after({ seq: 3, type: "committed", text: " two" }, listening, { seq: 2, type: "committed", text: "One" }, { seq: 3, type: "committed", text: " two" });
  expect(d.pieces.map((p) => p.text)).toEqual(["One", " two"]);
  expect(d.phase).toBe("listening");
  d.take({ seq: 9, type: "final", text: "One two", version: 1 });
  expect([d.phase, d.text]).toEqual(["done", "One two"]);
});

it("has a text where one was made after all, and knows whether the pieces say it", async () => {
  vi.stubGlobal("fetch", async () => new Response('{"text":"One two.","version":1}', { headers: { "Content-Type": "application/json" } }));
  const d = after(listening, { seq: 2, type: "committed", text: "One" }, { seq: 3, type: "state", state: "failed", error: { code: "engine_failed", message: "x" } });
  d.id = "a";
  await d.revise(1, false);
  expect([d.phase, d.text, d.told]).toEqual(["done", "One two.", false]);
  expect(after({ seq: 1, type: "committed", text: "One" }, { seq: 2, type: "committed", text: " two." }, { seq: 3, type: "final", text: "One two.\n" }).told).toBe(true);
  vi.unstubAllGlobals();
});
