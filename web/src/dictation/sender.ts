// Sends the sound of this browser's microphone to Scout while it is made: docs/API.md, "Sound while it is made". What is not acknowledged is kept in the
// browser, so that a broken connection, a reload or a closed tab loses nothing.
import { Problem, root } from "../api/client";
import type { LiveEvent } from "./dictation.svelte";
import { type Block, type Kept, store } from "./store";

const tail = 30; // s of sound that is in memory, too: more waits in the database
const most = 1 << 20; // bytes that may wait in the connection
const longest = 2048; // frames of a block
const waits = [100, 250, 500, 1000, 2000, 4000]; // ms, between attempts to connect
const readAgain = [50, 200, 1000]; // ms, between attempts to read what the browser keeps
const batch = 64; // blocks read at once

type Message = LiveEvent & { id?: string; next_frame?: number; ended?: string };

export interface Told {
  event(e: LiveEvent): void;
  /** began tells the id of the recording. */
  began(id: string): void;
  /** parted tells that what follows becomes a recording of its own: Scout has ended the one before, because nobody came back for too long. */
  parted(): void;
  /** unstored tells that the browser does not keep the sound, for example because its disk is full: memory has to do. */
  unstored(): void;
  /** link says whether Scout takes the sound at the moment. */
  link(connected: boolean): void;
  /** usual tells that Scout refused the chosen language or model, and is asked without. */
  usual(problem: Problem): void;
  /** over ends the dictation; with a problem Scout refused it, and with left some of its sound is still in the browser. */
  over(problem?: Problem, left?: boolean): void;
}

export class Sender {
  #socket: WebSocket | undefined;
  #ready = false;
  #next = 0; // the frame that is sent next
  #acked = 0;
  #blocks: Block[] = []; // the newest
  #stopping = false;
  #cancelled = false;
  #told = false; // stop was sent over this connection
  #ended = false;
  #attempts = 0;
  #pumping = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #released: () => void = () => undefined;
  #storing = true;
  #refusal: Problem | undefined;

  constructor(
    readonly kept: Kept,
    readonly tell: Told,
  ) {}

  /** begin connects. A lock says that a tab has this dictation; it returns false, and does nothing, where another tab has it. */
  begin(): Promise<boolean> {
    return new Promise((begun) => {
      const mine = (lock: unknown): Promise<void> | undefined => {
        begun(lock !== null);
        if (lock === null) return;
        this.#connect();
        return new Promise((done) => (this.#released = done));
      };
      if ("locks" in navigator) void navigator.locks.request(lockOf(this.kept.key), { ifAvailable: true }, mine);
      else void mine(undefined);
    });
  }

  /** hear takes sound. */
  hear(samples: Int16Array<ArrayBuffer>): void {
    if (this.#stopping || this.#ended) return;
    const block = { key: this.kept.key, from: this.kept.at, samples };
    this.kept.at += samples.length;
    this.#blocks.push(block);
    while (this.#storing && this.#blocks.length * longest > tail * this.kept.rate) this.#blocks.shift();
    if (this.#storing) store.keep(block, this.kept).catch(() => this.#unstored());
    void this.#pump();
  }

  #unstored(): void {
    if (!this.#storing) return;
    this.#storing = false;
    this.tell.unstored();
  }

  stop(): void {
    this.#stopping = true;
    void this.#pump();
  }

  /** cancel ends the dictation without text; Scout keeps the sound that came. */
  cancel(): void {
    this.#cancelled = this.#stopping = true;
    void this.#pump();
  }

  /** complete forgets what the browser has: all of it is in a file of Scout's, and only events come. */
  complete(): void {
    this.#storing = false;
    void store.forget(this.kept.key).catch(() => undefined);
  }

  #connect(): void {
    if (this.#ended) return;
    this.#ready = this.#told = false;
    const socket = (this.#socket = new WebSocket(root.replace(/^http/, "ws") + "/api/v1/live", ["scout-live.v1"]));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const { id, after, rate, language, model } = this.kept;
      const begin = id ? { type: "start", id, after } : { type: "start", format: { sample_rate: rate, channels: 1, sample_format: "s16" }, language, model };
      socket.send(JSON.stringify(begin));
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data as string) as Message);
    socket.onclose = ({ code }) => {
      if (this.#socket !== socket || this.#ended) return;
      this.#ready = false;
      if (code === 1000) return this.#end();
      if (code === 1008 && this.#refusal && this.#refusal.code !== "invalid_api_key") return void this.#refused(this.#refusal);
      this.tell.link(false);
      this.#timer = setTimeout(() => this.#connect(), waits[Math.min(this.#attempts++, waits.length - 1)]);
    };
  }

  /** again connects now, for example because the browser has a network again. */
  again(): void {
    if (this.#ready || this.#ended || this.#socket?.readyState === WebSocket.CONNECTING) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #receive(m: Message): void {
    if (m.seq !== undefined) this.kept.after = Math.max(this.kept.after, m.seq);
    switch (m.type) {
      case "ready":
        this.#attempts = 0;
        this.#refusal = undefined;
        if (m.id && !this.kept.id) {
          this.kept.id = m.id;
          if (this.#storing) store.note(this.kept).catch(() => undefined);
          this.tell.began(m.id);
        }
        this.#next = this.kept.base + (m.next_frame ?? 0);
        if (m.ended && this.#next < this.kept.at) {
          this.tell.parted();
          return this.#part(this.#next);
        }
        this.#ready = true;
        this.tell.link(true);
        if (m.ended) this.#stopping = this.#told = true;
        void this.#pump();
        break;
      case "ack":
        this.#acknowledged(this.kept.base + (m.frames ?? 0));
        break;
      case "error":
        this.#refusal = new Problem(m.error?.code ?? "internal", m.error?.message ?? "", m.error?.hint);
        break;
      default:
        this.tell.event(m);
    }
  }

  #acknowledged(frames: number): void {
    if (frames <= this.#acked) return;
    this.#acked = frames;
    this.#blocks = this.#blocks.filter((one) => one.from + one.samples.length > frames);
    if (this.#storing) void store.acknowledged(this.kept.key, frames, longest).catch(() => undefined);
  }

  // pump sends what is there, in order, from memory or from the database, and then the stop.
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#ready && this.#next < this.kept.at) {
        const socket = this.#socket;
        const first = this.#blocks[0];
        const parts = first && first.from <= this.#next ? this.#blocks.filter((b) => b.from + b.samples.length > this.#next) : await this.#read();
        if (parts.length === 0) {
          this.#next = first?.from ?? this.kept.at; // they are lost: Scout notes a gap
          continue;
        }
        for (const part of parts) {
          if (!this.#ready || this.#socket !== socket) break;
          if (part.from + part.samples.length > this.#next) this.#send(part);
        }
        while (this.#ready && (this.#socket?.bufferedAmount ?? 0) > most) await new Promise((go) => setTimeout(go, 20));
      }
      if (this.#ready && this.#stopping && !this.#told && this.#next >= this.kept.at) {
        this.#told = true;
        this.#socket?.send(JSON.stringify(this.#cancelled ? { type: "cancel" } : { type: "stop", frames: this.kept.at - this.kept.base }));
      }
    } finally {
      this.#pumping = false;
    }
  }

  // read takes what is sent next from the database. One that cannot be read any more has nothing: Scout notes a gap.
  async #read(): Promise<Block[]> {
    for (const wait of readAgain) {
      try {
        return await store.blocks(this.kept.key, this.#next, longest, batch);
      } catch {
        await new Promise((go) => setTimeout(go, wait));
      }
    }
    return [];
  }

  #send({ from, samples }: Block): void {
    const frames = samples.subarray(Math.max(0, this.#next - from));
    const message = new Uint8Array(8 + frames.byteLength);
    new DataView(message.buffer).setBigUint64(0, BigInt(Math.max(from, this.#next) - this.kept.base), true);
    message.set(new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength), 8);
    this.#socket?.send(message);
    this.#next = from + samples.length;
  }

  // part sends what is left from a frame on as a recording of its own.
  #part(from: number): void {
    Object.assign(this.kept, { id: "", after: 0, base: from });
    this.#next = from;
    const before = this.#socket;
    this.#connect();
    before?.close();
  }

  // refused goes on where the recording is not there any more and sound is left.
  async #refused(problem: Problem): Promise<void> {
    const [first] = this.#blocks.length > 0 ? this.#blocks : await store.blocks(this.kept.key, this.#acked, longest, 1).catch(() => []);
    const left = Math.max(this.#acked, first?.from ?? this.kept.at);
    const { id, language, model, at } = this.kept;
    if (id && problem.code.endsWith("not_found") && left < at) {
      this.tell.parted();
      this.#part(left);
    } else if (!id && (language || model)) {
      Object.assign(this.kept, { language: undefined, model: undefined });
      this.tell.usual(problem);
      this.#part(this.kept.base);
    } else this.#end(problem, left < at);
  }

  #end(problem?: Problem, left = false): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#released();
    if (!left) void store.forget(this.kept.key).catch(() => undefined);
    this.tell.over(problem, left);
  }
}

const lockOf = (key: string): string => `scout-dictation-${key}`;

/** abandoned are the dictations whose tab is gone, oldest first. */
export async function abandoned(): Promise<Kept[]> {
  if (!("locks" in navigator) || !("indexedDB" in window)) return [];
  const held = new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
  return (await store.all()).filter((kept) => !held.has(lockOf(kept.key))).sort((a, b) => a.began - b.began);
}
