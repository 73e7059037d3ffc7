// Files on their way to Scout, and to their text. It belongs to the whole page: leaving the library ends nothing.
import { untrack } from "svelte";
import { DetailedError, type PreviousUpload, Upload as Tus } from "tus-js-client";
import { address, ask, client, Problem, problemOf, type Schema } from "../api/client";
import { scout } from "../lib/scout.svelte";
import type { Event } from "../live/hub";
import { events } from "../live/events.svelte";
import { words } from "../words";
import { addresses } from "./addresses";
import { printOf } from "./print";

export type State = "waiting" | "sending" | "queued" | "running" | "retrying" | "done" | "failed";

const atOnce = 2; // files that are sent at the same time
const waits = [0, 500, 1000, 2000, 4000, 8000]; // ms, between attempts
const laterAgain = 10_000; // ms, where Scout takes nothing at the moment
const inLine = 8; // jobs that wait and are followed, each by its place: of those behind them the beginning is told to everybody
const speedOver = 3000; // ms: the time left is told by what was sent since

export class Upload {
  state = $state<State>("waiting");
  /** fraction is how much was sent, and then how much of the text there is. */
  fraction = $state(0);
  /** seconds are those left of what goes on; undefined where nobody knows. */
  seconds = $state<number | undefined>();
  position = $state<number | undefined>();
  problem = $state.raw<Problem | undefined>();
  recording = $state<string | undefined>();

  /** waits is true where it goes on by itself: when Scout is back, knows this browser, or has room again. */
  get waits(): boolean {
    return this.problem?.code === "offline" || this.problem?.status === 401 || this.busy;
  }

  /** busy is true where Scout takes no file at the moment. */
  get busy(): boolean {
    return this.problem?.status === 429 || (this.problem?.status === 503 && this.problem.retryable);
  }

  /** whole is true where Scout has all of it, and makes a recording of it as soon as there is room in the queue. */
  whole = $state(false);
  job: string | undefined;
  release: () => void = () => undefined;
  tus: Tus | undefined;
  unfollow: (() => void) | undefined;
  #began = 0;
  #from = 0;
  #has = 0; // bytes

  constructor(
    readonly id: number,
    readonly file: File,
  ) {}

  /** sent tells how many bytes were given to the network. */
  sent(bytes: number): void {
    const now = performance.now();
    if (this.#began === 0) {
      this.#began = now;
      this.#from = bytes;
    }
    this.fraction = this.file.size > 0 ? bytes / this.file.size : 0;
    const passed = now - this.#began;
    this.seconds = passed > speedOver && bytes > this.#from ? (((this.file.size - bytes) / (bytes - this.#from)) * passed) / 1000 : undefined;
  }

  /** has takes how many bytes Scout has: what was given to a connection that broke may not have come. */
  has(bytes: number): void {
    this.#has = bytes;
    this.begin();
  }

  /** begin forgets how quick it was before, and what was on the way. */
  begin(): void {
    this.#began = 0;
    this.seconds = undefined;
    this.fraction = this.file.size > 0 ? this.#has / this.file.size : 0;
  }
}

/** Left is a file that was not sent whole before the page was closed or reloaded: a browser does not give it to the page again by itself. */
export interface Left {
  name: string;
  size: number;
  /** fraction is how much of it Scout has. */
  fraction: number;
  key: string;
}

const ended = new Set<State>(["done", "failed"]);
const lineEvery = 2000; // ms, between two questions about the line
const lockOf = (url: string): string => `scout-upload-${new URL(url, document.baseURI).pathname}`;

class Uploads {
  all = $state.raw<Upload[]>([]);
  left = $state.raw<Left[]>([]);
  /** count is how many there are, and how many of them have their text or get none. */
  count = $derived({ done: this.all.filter((one) => one.state === "done").length, failed: this.all.filter((one) => one.state === "failed" && !one.waits).length, all: this.all.length });
  /** line is how long it takes until everything that waits in Scout has its text, in seconds; undefined where nobody knows. */
  line = $state<number | undefined>();
  #next = 1;
  #asked = 0;

  constructor() {
    events.on(["job", "upload.finished"], (e) => this.#hear(e));
    events.onReset(() => this.#reread());
    $effect.root(() => {
      $effect(() => {
        if (events.link !== "online" || scout.who !== "owner") return;
        untrack(() => {
          for (const one of this.all) if (one.state === "failed" && one.waits) this.again(one);
        });
      });
      $effect(() => {
        if (scout.who === "owner") untrack(() => void this.#look()); // to anybody else they are not there
      });
    });
  }

  // look finds what was not sent whole by pages that are gone.
  async #look(): Promise<void> {
    const held = new Set((await navigator.locks?.query())?.held?.map((lock) => lock.name));
    const found: Left[] = [];
    for (const one of await before()) {
      if (!one.uploadUrl || held.has(lockOf(one.uploadUrl)) || this.all.some(({ tus }) => tus?.url === one.uploadUrl)) continue;
      try {
        const { ok, status, headers } = await fetch(one.uploadUrl, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" }, cache: "no-store" });
        const whole = headers.has("Scout-Recording");
        if (whole || status === 404 || status === 410) await forget(one.urlStorageKey);
        else if (ok && one.size) found.push({ name: one.metadata.filename ?? "", size: one.size, fraction: Number(headers.get("Upload-Offset")) / one.size, key: one.urlStorageKey });
      } catch {
        // Scout is away: the next page asks again
      }
    }
    this.left = found;
  }

  /** drop forgets a file that was not sent whole; what Scout has of it expires by itself. */
  drop(one: Left): void {
    this.left = this.left.filter((other) => other !== one);
    void forget(one.key);
  }

  add(files: Iterable<File>): void {
    const added = [...files].map((file) => new Upload(this.#next++, file));
    this.left = this.left.filter((one) => !added.some(({ file }) => file.name === one.name && file.size === one.size));
    this.all = [...this.all, ...added];
    this.#go();
  }

  /** again tries one that failed: what was sent is not sent again, and a job that failed is tried again. */
  again(one: Upload): void {
    one.problem = undefined;
    if (!one.job) {
      one.state = "waiting";
      return this.#go();
    }
    one.state = "queued";
    one.fraction = 0;
    ask(client.POST("/api/v1/jobs/{id}/retry", { params: { path: { id: one.job } } }))
      .then((job) => this.#follow(one, job))
      .catch((e: unknown) => this.#failed(one, e));
  }

  /** remove ends one that goes on, or forgets one that has ended. What was made of a file stays; a file that gave no text goes to the trash. */
  remove(one: Upload): void {
    this.all = this.all.filter((other) => other !== one);
    this.#leave(one);
    one.release();
    if (!one.recording) void one.tus?.abort(true).catch(() => undefined); // it expires by itself
    else if (one.state !== "done") void this.#discard(one.recording, one.job);
    this.#go();
  }

  clear(): void {
    this.all = this.all.filter((one) => one.state !== "done");
  }

  async #discard(id: string, job: string | undefined): Promise<void> {
    try {
      if (job) await ask(client.POST("/api/v1/jobs/{id}/cancel", { params: { path: { id: job } } })).catch((e: unknown) => e);
      await ask(client.DELETE("/api/v1/recordings/{id}", { params: { path: { id } } }));
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // it is in the library, and can be deleted there
    }
  }

  #go(): void {
    const sending = this.all.filter((one) => one.state === "sending").length;
    for (const one of this.all.filter((o) => o.state === "waiting").slice(0, Math.max(0, atOnce - sending))) void this.#send(one);
  }

  async #send(one: Upload): Promise<void> {
    one.state = "sending";
    one.begin();
    if (one.file.size === 0) return this.#failed(one, new Problem("audio_empty", "the file is empty"));
    let print: string;
    try {
      print = await printOf(one.file);
    } catch {
      return this.#failed(one, new Problem("file_unreadable", words.library.upload.unreadable));
    }
    let refused: Problem | undefined;
    const tus = (one.tus = new Tus(one.file, {
      endpoint: address("/api/v1/uploads"),
      retryDelays: waits,
      removeFingerprintOnSuccess: true,
      fingerprint: () => Promise.resolve(`scout-${print}-${address("/api/v1/uploads")}`),
      metadata: { filename: one.file.name, ...(one.file.type ? { filetype: one.file.type } : {}) },
      // Another page of this browser does not take it for one that was left.
      onUploadUrlAvailable: () => {
        const { url } = tus;
        if (url) void navigator.locks?.request(lockOf(url), { ifAvailable: true }, () => new Promise<void>((done) => (one.release = done)));
      },
      urlStorage: addresses,
      // A browser says of a file that is gone, or was changed, what it says of a network that is: nothing.
      onBeforeRequest: async () => {
        if (await unreadable(one.file)) throw (refused = new Problem("file_unreadable", words.library.upload.unreadable));
      },
      // After a restart the daemon takes this page for somebody else, to whom the upload is not there. It is not begun anew, but goes on when the owner is back.
      onAfterResponse: async (_, answer) => {
        const has = Number(answer.getHeader("Upload-Offset") ?? NaN);
        if (!Number.isNaN(has)) one.has(has);
        if (![401, 403, 404, 410].includes(answer.getStatus())) return;
        await scout.look();
        if (scout.who !== "owner") throw (refused = new Problem("invalid_api_key", "the daemon does not know this browser", "", 401));
      },
      onProgress: (bytes) => one.sent(bytes),
      onShouldRetry: (e) => {
        const status = e instanceof DetailedError ? (e.originalResponse?.getStatus() ?? 0) : 0;
        return (status === 0 && !refused) || status === 409 || status === 423 || status === 429 || status >= 500;
      },
      onError: (e) => this.#failed(one, refused ?? problemIn(e)),
      onSuccess: ({ lastResponse }) => {
        one.release();
        this.#became(one, lastResponse.getHeader("Scout-Recording") ?? undefined, lastResponse.getHeader("Scout-Job") ?? undefined);
        this.#go();
      },
    }));
    try {
      const [before] = await tus.findPreviousUploads();
      // The same file may have been given twice: each is sent.
      if (before && !this.all.some((other) => other !== one && other.tus?.url === before.uploadUrl)) tus.resumeFromPreviousUpload(before);
    } catch {
      // a browser that keeps nothing sends the whole file
    }
    if (this.all.includes(one)) tus.start(); // else it was removed meanwhile
  }

  // became takes what became of a file whose last byte is there. Where the queue is full it is no recording yet, and will be one.
  #became(one: Upload, recording: string | undefined, job: string | undefined): void {
    one.recording = recording;
    one.job = job;
    one.whole = recording === undefined;
    one.state = job || one.whole ? "queued" : "done";
    one.fraction = 0;
    one.seconds = undefined;
    if (job) void this.#place(one, job);
  }

  // place follows a job that is near the beginning of the line, and asks once how one behind it is.
  async #place(one: Upload, job: string): Promise<void> {
    if (this.all.filter((other) => other.unfollow).length < inLine) return this.#watch(one, job);
    try {
      this.#follow(one, await ask(client.GET("/api/v1/jobs/{id}", { params: { path: { id: job } } })));
    } catch (e) {
      if (!(e instanceof Problem) || e.status === 404) return this.#failed(one, e); // else an event tells
    }
  }

  // hear takes what everybody is told: a job of a file has begun or ended, or a file has become a recording.
  #hear({ type, data }: Event): void {
    const { id, upload_id, job_id } = (data ?? {}) as { id?: string; upload_id?: string; job_id?: string };
    if (type === "upload.finished") {
      const one = this.all.find((other) => other.whole && other.tus?.url?.endsWith(`/${upload_id}`));
      if (one) this.#became(one, id, job_id || undefined);
      return;
    }
    if (type === "job.queued" || type === "job.progress") return;
    const one = this.all.find((other) => other.job === id && !ended.has(other.state) && !other.unfollow);
    if (one?.job) this.#watch(one, one.job);
  }

  // reread asks for what may have been missed.
  #reread(): void {
    for (const one of this.all) {
      if (one.whole && one.tus) void this.#wholeNow(one);
      else if (one.job && !ended.has(one.state) && !one.unfollow) void this.#place(one, one.job);
    }
  }

  async #wholeNow(one: Upload): Promise<void> {
    try {
      const { headers } = await fetch(one.tus?.url ?? "", { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" }, cache: "no-store" });
      const recording = headers.get("Scout-Recording");
      if (recording && one.whole) this.#became(one, recording, headers.get("Scout-Job") ?? undefined);
    } catch {
      // Scout is away: it is asked again
    }
  }

  // follows adds the next one of the line to those that are followed.
  #follows(): void {
    const one = this.all.find((other) => other.state === "queued" && other.job && !other.unfollow);
    if (one?.job && this.all.filter((other) => other.unfollow).length < inLine) this.#watch(one, one.job);
  }

  #watch(one: Upload, id: string): void {
    one.unfollow?.();
    one.unfollow = events.follow(`job:${id}`, ({ type, data }) => {
      if (type === "job") this.#follow(one, data as Schema["Job"]);
      else if (type === "error" && !ended.has(one.state)) this.#failed(one, new Problem("not_found", "its job was removed"));
    });
  }

  #follow(one: Upload, job: Schema["Job"]): void {
    one.fraction = job.progress?.fraction ?? 0;
    one.seconds = job.progress?.remaining_seconds;
    one.position = job.position;
    if (job.state === "queued") void this.#readLine();
    switch (job.state) {
      case "succeeded":
        one.state = "done";
        break;
      case "dead":
      case "cancelled":
        return this.#failed(one, new Problem(job.error?.code ?? "cancelled", job.error?.message ?? "it was cancelled", job.error?.hint, 0, job.error?.retryable));
      case "running":
      case "retrying":
        one.state = job.state;
        break;
      default:
        one.state = "queued";
    }
    if (one.state === "done") this.#leave(one);
    else if (!one.unfollow && one.state !== "queued") this.#watch(one, job.id);
    else this.#follows();
  }

  #leave(one: Upload): void {
    one.unfollow?.();
    one.unfollow = undefined;
    this.#follows();
  }

  async #readLine(): Promise<void> {
    if (Date.now() - this.#asked < lineEvery) return;
    this.#asked = Date.now();
    try {
      this.line = (await ask(client.GET("/api/v1/queue"))).wait_seconds;
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // the next event asks again
    }
  }

  #failed(one: Upload, e: unknown): void {
    if (!(e instanceof Problem)) throw e;
    one.problem = e;
    one.state = "failed";
    this.#leave(one);
    if (one.waits && !one.job) setTimeout(() => this.all.includes(one) && one.state === "failed" && events.link === "online" && this.again(one), laterAgain); // where the link is broken, it goes on with the link
    this.#go();
  }
}

const before = (): Promise<PreviousUpload[]> => addresses.findAllUploads();
const forget = (key: string): Promise<void> => addresses.removeUpload(key);

const unreadable = (file: File): Promise<boolean> =>
  file
    .slice(0, 1)
    .arrayBuffer()
    .then(({ byteLength }) => byteLength === 0, () => true);

// problemIn is what the daemon said of an upload that failed.
function problemIn(e: Error | DetailedError): Problem {
  const answer = e instanceof DetailedError ? e.originalResponse : undefined;
  if (!answer || answer.getStatus() === 0) return new Problem("offline", "the daemon does not answer", "", 0, true);
  try {
    return problemOf(answer.getStatus(), JSON.parse(answer.getBody()));
  } catch {
    return problemOf(answer.getStatus(), undefined);
  }
}

export const uploads = new Uploads();
