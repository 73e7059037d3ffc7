// Files on their way to Scout, and to their text. It belongs to the whole page: leaving the library ends nothing.
import { DetailedError, Upload as Tus } from "tus-js-client";
import { address, ask, client, Problem, problemOf, type Schema } from "../api/client";
import { events } from "../live/events.svelte";

export type State = "waiting" | "sending" | "queued" | "running" | "retrying" | "done" | "failed";

const atOnce = 2; // files that are sent at the same time
const waits = [0, 500, 1000, 2000, 4000, 8000]; // ms, between attempts
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

  job: string | undefined;
  tus: Tus | undefined;
  unfollow: (() => void) | undefined;
  #began = 0;
  #from = 0;

  constructor(
    readonly id: number,
    readonly file: File,
  ) {}

  /** sent tells how many bytes are there. */
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

  /** begin forgets how quick it was before. */
  begin(): void {
    this.#began = 0;
    this.seconds = undefined;
  }
}

const ended = new Set<State>(["done", "failed"]);

class Uploads {
  all = $state.raw<Upload[]>([]);
  #next = 1;

  constructor() {
    $effect.root(() => {
      $effect(() => {
        if (events.link !== "online") return;
        for (const one of this.all) if (one.state === "failed" && one.problem?.code === "offline") this.again(one);
      });
    });
  }

  add(files: Iterable<File>): void {
    this.all = [...this.all, ...[...files].map((file) => new Upload(this.#next++, file))];
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
    one.unfollow?.();
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
    const tus = (one.tus = new Tus(one.file, {
      endpoint: address("/api/v1/uploads"),
      retryDelays: waits,
      removeFingerprintOnSuccess: true,
      metadata: { filename: one.file.name, ...(one.file.type ? { filetype: one.file.type } : {}) },
      onProgress: (bytes) => one.sent(bytes),
      onShouldRetry: (e) => {
        const status = e instanceof DetailedError ? (e.originalResponse?.getStatus() ?? 0) : 0;
        return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
      },
      onError: (e) => this.#failed(one, problemIn(e)),
      onSuccess: ({ lastResponse }) => {
        one.recording = lastResponse.getHeader("Scout-Recording") ?? undefined;
        one.job = lastResponse.getHeader("Scout-Job") ?? undefined;
        one.state = one.job ? "queued" : "done";
        one.fraction = 0;
        one.seconds = undefined;
        this.#go();
        if (one.job) this.#watch(one, one.job);
      },
    }));
    try {
      const [before] = await tus.findPreviousUploads();
      if (before) tus.resumeFromPreviousUpload(before);
    } catch {
      // a browser that keeps nothing sends the whole file
    }
    tus.start();
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
    if (one.state === "done") one.unfollow?.();
    else if (!one.unfollow) this.#watch(one, job.id);
  }

  #failed(one: Upload, e: unknown): void {
    if (!(e instanceof Problem)) throw e;
    one.unfollow?.();
    one.unfollow = undefined;
    one.problem = e;
    one.state = "failed";
    this.#go();
  }
}

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
