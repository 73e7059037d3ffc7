import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Sender } from "./sender";

// A connection whose other end is the test.
class Socket {
  static all: Socket[] = [];
  static readonly CONNECTING = 0;
  readyState = 1;
  bufferedAmount = 0;
  sent: (Record<string, unknown> | { from: number; samples: number[] })[] = [];
  onopen?: () => void;
  onmessage?: (m: { data: string }) => void;
  onclose?: (e: { code: number }) => void;

  constructor() {
    Socket.all.push(this);
  }

  close() {}

  send(data: string | Uint8Array) {
    if (typeof data === "string") this.sent.push(JSON.parse(data) as Record<string, unknown>);
    else this.sent.push({ from: Number(new DataView(data.buffer).getBigUint64(0, true)), samples: [...new Int16Array(data.buffer, 8)] });
  }

  says(m: object) {
    this.onmessage?.({ data: JSON.stringify(m) });
  }
}

const samples = (...values: number[]) => new Int16Array(values);
let sender: Sender;
let over: unknown[];

beforeEach(async () => {
  Socket.all = [];
  over = [];
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("navigator", {}); // neither locks nor a database: what is not acknowledged is in memory
  const kept = { key: "k", id: "", rate: 48_000, at: 0, base: 0, after: 0, began: 0, labels: {} };
  sender = new Sender(kept, { event: () => undefined, began: () => undefined, parted: () => undefined, unstored: () => undefined, usual: () => undefined, link: () => undefined, over: (problem) => over.push(problem) });
  await sender.begin();
  sender.hear(samples(1, 2));
  sender.hear(samples(3, 4));
  Socket.all[0]?.onopen?.();
  Socket.all[0]?.says({ type: "ready", id: "a", next_frame: 0 });
  await settled();
});
afterEach(() => vi.unstubAllGlobals());

const settled = () => new Promise((go) => setTimeout(go));

it("sends what came before the connection, and then the stop", async () => {
  sender.stop();
  await settled();
  expect(Socket.all[0]?.sent).toEqual([
    { type: "start", format: { sample_rate: 48_000, channels: 1, sample_format: "s16" } },
    { from: 0, samples: [1, 2] },
    { from: 2, samples: [3, 4] },
    { type: "stop", frames: 4 },
  ]);
  Socket.all[0]?.onclose?.({ code: 1000 });
  expect(over).toEqual([undefined]);
});

it("goes on in another connection with the first frame that Scout has not", async () => {
  Socket.all[0]?.says({ type: "ack", frames: 1 });
  Socket.all[0]?.onclose?.({ code: 1006 });
  sender.hear(samples(5));
  sender.stop();
  await vi.waitFor(() => expect(Socket.all).toHaveLength(2));
  Socket.all[1]?.onopen?.();
  Socket.all[1]?.says({ type: "ready", id: "a", next_frame: 3 });
  await settled();
  expect(Socket.all[1]?.sent).toEqual([{ type: "start", id: "a", after: 0 }, { from: 3, samples: [4] }, { from: 4, samples: [5] }, { type: "stop", frames: 5 }]);
});

it("sends the rest as a recording of its own where Scout has ended the one before", async () => {
  Socket.all[0]?.says({ type: "ack", frames: 1 });
  Socket.all[0]?.onclose?.({ code: 1006 });
  sender.stop();
  await vi.waitFor(() => expect(Socket.all).toHaveLength(2));
  Socket.all[1]?.onopen?.();
  Socket.all[1]?.says({ type: "ready", id: "a", next_frame: 3, ended: "source_ended" });
  expect(Socket.all).toHaveLength(3);
  Socket.all[2]?.onopen?.();
  Socket.all[2]?.says({ type: "ready", id: "b", next_frame: 0 });
  await settled();
  expect(Socket.all[2]?.sent.slice(1)).toEqual([{ from: 0, samples: [4] }, { type: "stop", frames: 1 }]);
  expect(over).toEqual([]);
});

it("does the same where the recording is gone, and gives up where there is nothing left", async () => {
  const gone = { type: "error", error: { code: "recording_not_found", message: "it is gone" } };
  Socket.all[0]?.says({ type: "ack", frames: 2 });
  Socket.all[0]?.says(gone);
  Socket.all[0]?.onclose?.({ code: 1008 });
  await vi.waitFor(() => expect(Socket.all).toHaveLength(2));
  Socket.all[1]?.onopen?.();
  Socket.all[1]?.says({ type: "ready", id: "b", next_frame: 0 });
  await settled();
  expect(Socket.all[1]?.sent.slice(1)).toEqual([{ from: 0, samples: [3, 4] }]);
  Socket.all[1]?.says({ type: "ack", frames: 2 });
  Socket.all[1]?.says(gone);
  Socket.all[1]?.onclose?.({ code: 1008 });
  await vi.waitFor(() => expect(over).toMatchObject([{ code: "recording_not_found" }]));
});

it("says that the browser does not keep the sound, once, and goes on from memory", async () => {
  const told: string[] = [];
  const kept = { key: "k", id: "", rate: 48_000, at: 0, base: 0, after: 0, began: 0, labels: {} };
  const full = new Sender(kept, { event: () => undefined, began: () => undefined, parted: () => undefined, unstored: () => told.push("unstored"), usual: () => undefined, link: () => undefined, over: () => undefined });
  await full.begin();
  full.hear(samples(1, 2));
  await settled();
  full.hear(samples(3, 4));
  await settled();
  const socket = Socket.all.at(-1);
  socket?.onopen?.();
  socket?.says({ type: "ready", id: "b", next_frame: 0 });
  await settled();
  expect(told).toEqual(["unstored"]);
  expect(socket?.sent.slice(1)).toEqual([{ from: 0, samples: [1, 2] }, { from: 2, samples: [3, 4] }]);
});
