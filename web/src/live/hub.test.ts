import { afterEach, expect, it, vi } from "vitest";
import { type FromTab, Hub, tellEvery, type ToTab } from "./hub";

// A daemon that answers each request for events with what it is given, and notes what was asked for.
function daemon(...answers: (Response | Promise<Response>)[]) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string, { signal }: RequestInit = {}) => {
    asked.push(decodeURIComponent(url));
    return answers.shift() ?? new Promise((_, no) => signal?.addEventListener("abort", () => no(signal.reason as Error)));
  });
  return asked;
}

const stream = (text: string) => new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(text)) }));

function tab(hub: Hub) {
  const got: ToTab[] = [];
  const send = hub.join({ postMessage: (m) => got.push(m) });
  return { got, send: (m: FromTab) => send(m), events: () => got.flatMap((m) => (m.is === "event" ? [m.event] : [])) };
}

afterEach(() => vi.unstubAllGlobals());

it("gives every tab the events of one stream", async () => {
  const asked = daemon(stream(': ok\n\nid: 7\nevent: model.installed\ndata: {"id":7,"type":"model.installed","data":{"id":"a"}}\n\n'));
  const hub = new Hub("http://scout");
  const [one, two] = [tab(hub), tab(hub)];
  one.send({ is: "hello", lock: "one" });
  two.send({ is: "hello", lock: "two" });
  await vi.waitFor(() => expect(two.events()).toMatchObject([{ id: 7, type: "model.installed" }]));
  expect(one.events()).toEqual(two.events());
  expect(asked).toHaveLength(1);
});

it("goes on behind the last event when the topics change", async () => {
  const asked = daemon(stream('id: 7\nevent: x\ndata: {"type":"x"}\n\n'));
  const one = tab(new Hub("http://scout"));
  one.send({ is: "hello", lock: "one" });
  await vi.waitFor(() => expect(one.events()).toHaveLength(1));
  one.send({ is: "topics", topics: ["job:a"] });
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]).toMatch(/job:a&after=7$/);
});

it("begins again for a tab that follows what another one follows already", async () => {
  const asked = daemon(stream(": ok\n\n"), stream('event: live\ndata: {"type":"live","topic":"live:a","data":{"seq":1}}\n\n'));
  const hub = new Hub("http://scout");
  const [one, two] = [tab(hub), tab(hub)];
  one.send({ is: "topics", topics: ["live:a"], began: "live:a" });
  await vi.waitFor(() => expect(one.got).toContainEqual({ is: "link", link: "online" }));
  two.send({ is: "topics", topics: ["level:"] });
  two.send({ is: "topics", topics: ["level:", "live:a"], began: "live:a" });
  await vi.waitFor(() => expect(two.events()).toMatchObject([{ topic: "live:a", data: { seq: 1 } }]));
  expect(asked).toHaveLength(2);
});

it("follows as many things as a stream takes, and leaves out jobs first", async () => {
  const asked = daemon();
  const one = tab(new Hub("http://scout"));
  one.send({ is: "topics", topics: [...Array.from({ length: 300 }, (_, i) => `job:${i}`), "live:a"] });
  await vi.waitFor(() => expect(asked[0]).toMatch(/,live:a,job:/));
  expect(asked[0]?.match(/job:/g)).toHaveLength(199);
});

it("tells which topic is not there, in one request, and gives the others", async () => {
  const error = { type: "error", topic: "live:gone", data: { code: "not_found" } };
  const level = { type: "level", topic: "level:USB:2,1", data: { rms: 0 } };
  const asked = daemon(stream([error, level].map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join("")));
  const one = tab(new Hub("http://scout"));
  one.send({ is: "topics", topics: ["live:gone", "level:USB:2,1"] });
  await vi.waitFor(() => expect(one.events()).toEqual([error, level]));
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatch(/,level:USB:2%2C1,live:gone$/);
  one.send({ is: "topics", topics: ["level:USB:2,1"] });
  await vi.waitFor(() => expect(asked[1]).toMatch(/,purged,level:USB:2%2C1$/));
});

it("says that it is refused", async () => {
  daemon(new Response(null, { status: 401 }));
  const one = tab(new Hub("http://scout"));
  one.send({ is: "hello", lock: "one" });
  await vi.waitFor(() => expect(one.got).toContainEqual({ is: "link", link: "refused" }));
});

it("takes a tab without a lock that says nothing for gone, and has it back when it speaks", async () => {
  const asked = daemon();
  const clock = vi.spyOn(Date, "now").mockReturnValue(0);
  const hub = new Hub("http://scout");
  const [gone, here] = [tab(hub), tab(hub)];
  for (const one of [gone, here]) one.send({ is: "hello" });
  gone.send({ is: "topics", topics: ["level:a"] });
  await vi.waitFor(() => expect(asked.at(-1)).toMatch(/,level:a$/));
  clock.mockReturnValue(7 * tellEvery);
  here.send({ is: "topics", topics: ["job:b"] });
  await vi.waitFor(() => expect(asked.at(-1)).toMatch(/,job:b$/));
  expect(asked.at(-1)).not.toMatch(/level:a/);
  gone.send({ is: "topics", topics: ["level:a"] });
  await vi.waitFor(() => expect(asked.at(-1)).toMatch(/,level:a,job:b$/));
  clock.mockRestore();
});

it("has everything read again for a browser that is somebody else now", async () => {
  // Hubs of other tests may still ask.
  vi.stubGlobal("fetch", (url: string) => (url.startsWith("http://anew") ? Promise.resolve(stream(": ok\n\n")) : new Promise(() => undefined)));
  const one = tab(new Hub("http://anew"));
  const links = () => one.got.flatMap((m) => (m.is === "link" ? [m.link] : []));
  one.send({ is: "hello", lock: "one" });
  await vi.waitFor(() => expect(links()).toEqual(["connecting", "online"]));
  one.send({ is: "anew" });
  await vi.waitFor(() => expect(links()).toEqual(["connecting", "online", "connecting", "online"]));
});
