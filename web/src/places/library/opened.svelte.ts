// The recording that is open: its text, its versions, and the jobs that make another text of it.
import { ask, client, Problem, type Schema, transcript } from "../../api/client";
import { events } from "../../live/events.svelte";
import { reading } from "../../lib/reading";
import { scout } from "../../lib/scout.svelte";
import { toasts } from "../../lib/toasts.svelte";
import { words } from "../../words";
import { type Line, linesOf, paragraphsOf, timedOf, doubtfulOf } from "./lines";
import type { Recording } from "./rows.svelte";
import { stepsOf } from "./steps";

type Transcript = Schema["Transcript"];
type Job = Schema["Job"];

/** Unsaved is a line that could not be saved, as it was typed; was is the line before. */
export interface Unsaved {
  was: Pick<Line, "text" | "start" | "end">;
  text: string;
  problem: Problem;
}

/** placeOf is the line that a line is now, where another text may have come meanwhile: the one with its words nearest to it in time. undefined where it is not there. */
export function placeOf(lines: Line[], was: Unsaved["was"]): number | undefined {
  const same = lines.filter((line) => line.text === was.text && line.start < was.end + near && line.end > was.start - near);
  return same.sort((a, b) => Math.abs(a.start - was.start) - Math.abs(b.start - was.start))[0]?.index;
}

const overtaken = () => new Problem("conflict", words.library.edit.meanwhile, "", 409);
const near = 2; // s by which another text may have a line earlier or later
const left = new Map<string, Unsaved>(); // lines of recordings that were left before it was known that they could not be saved

const active = new Set<Job["state"]>(["queued", "running", "retrying", "paused"]);

export class Opened {
  recording = $state.raw<Recording | undefined>();
  text = $state.raw<Transcript | undefined>();
  /** problem is why the recording cannot be shown. */
  problem = $state.raw<Problem | undefined>();
  job = $state.raw<Job | undefined>();
  /** owed is the text that was promised for a recording when it was made. */
  owed = $state.raw<Schema["Transcription"] | undefined>();
  unsaved = $state.raw<Unsaved | undefined>();
  saving = $state(0);
  /** saved is true when something was changed here, and is stored. */
  saved = $state(false);
  /** editing is true while a line is being edited: the text under it stays what it is. */
  editing = $state(false);
  /** undos and redos are the versions to which undo and redo return. */
  undos = $state.raw<number[]>([]);
  redos = $state.raw<number[]>([]);
  /** behind is set where a text came while this one was read: what it replaced, for comparing. */
  behind = $state<number | undefined>();

  lines = $derived(linesOf(this.text?.segments ?? []));
  paragraphs = $derived(paragraphsOf(this.lines));
  timed = $derived(timedOf(this.lines));
  doubtful = $derived(doubtfulOf(this.lines));

  #last: Promise<unknown> = Promise.resolve(); // changes are saved one after the other
  #stops: (() => void)[] = [];
  #unfollow: (() => void) | undefined;
  #closed = false;

  constructor(readonly id: string) {
    this.unsaved = left.get(id);
    left.delete(id);
    this.#stops.push(
      events.on(["recording", "transcript", "transcription", "job"], ({ type, data }) => {
        const { id: what, recording, kind } = (data ?? {}) as { id?: string; recording?: string; kind?: string };
        const mine = (recording ?? what?.split(".")[0]) === this.id;
        if (!mine) return;
        if (type === "job.queued" && kind === "transcribe") void this.#readJobs();
        else if (type.startsWith("transcription.")) void this.#readOwed();
        if (/^recording\.(updated|finished|deleted|restored|gap)|^transcript|^transcription\.(done|failed|promised)/.test(type)) void this.refresh();
      }),
      events.onReset(() => (void this.refresh(), void this.#readJobs())),
    );
    void this.refresh();
    void this.#readJobs();
  }

  close(): void {
    this.#closed = true;
    if (this.unsaved) left.set(this.id, this.unsaved);
    this.#unfollow?.();
    for (const stop of this.#stops) stop();
  }

  /** refresh reads what there is now. A text that somebody else made takes the place of the one that is shown. */
  async refresh(): Promise<void> {
    await this.#readRecording();
    const version = this.recording?.transcript.version;
    if (this.#closed || !version || version === this.text?.version || this.saving > 0 || this.editing) return;
    await this.#readText();
  }

  // To somebody else nothing is there: a browser whose session has ended keeps what is on the screen, and what was typed.
  async #fails(e: Problem): Promise<void> {
    if (e.status === 404) await scout.look();
    if (this.#closed || (e.status === 404 && scout.who !== "owner")) return;
    if (!this.recording || e.status === 404) this.problem = e;
  }

  #readRecording = reading(
    () => ask(client.GET("/api/v1/recordings/{id}", { params: { path: { id: this.id } } })),
    (recording) => {
      if (this.#closed) return;
      this.recording = recording;
      this.problem = undefined;
      const { state, version } = recording.transcript;
      if (!version) this.text = undefined;
      this.#owes = state === "queued" || state === "running" || state === "failed";
      if (this.#owes) void this.#readOwed();
      else this.owed = undefined;
    },
    (e) => void this.#fails(e),
  );

  #readText = reading(
    () => transcript(this.id),
    (text) => {
      const before = this.text?.version;
      if (this.#closed || this.saving > 0 || this.editing || (before !== undefined && (text.version ?? 0) <= before)) return;
      if (before !== undefined && text.kind !== "edited") this.behind = before;
      this.text = text;
      if (before === undefined && (text.version ?? 0) > 1) void this.#recall();
    },
    (e) => void this.#fails(e),
  );

  /** edit saves a new text of a line, whose text was before, as a version. */
  edit(index: number, before: string, text: string): Promise<void> {
    const { start = 0, end = 0 } = this.lines[index] ?? {};
    const was = { text: before, start, end };
    return this.#change(
      () => (this.lines[index]?.text === before ? this.#edited(index, text) : Promise.reject(overtaken())),
      () => (this.redos = []),
      (problem) => {
        this.unsaved = { was, text, problem: problem.status === 412 ? overtaken() : problem };
        if (!this.#closed) return;
        left.set(this.id, this.unsaved);
        toasts.say(words.library.edit.leftBehind(this.recording?.title ?? ""), { kind: "bad", seconds: 20 });
      },
    );
  }

  /** saveUnsaved tries again to save a line that could not be saved. */
  saveUnsaved({ was, text }: Unsaved): Promise<void> {
    this.unsaved = undefined;
    return this.edit(placeOf(this.lines, was) ?? -1, was.text, text);
  }

  undo(): Promise<void> {
    return this.#back(this.undos, (version, now) => {
      this.undos = this.undos.filter((v) => v !== version);
      this.redos = [...this.redos, now];
    });
  }

  redo(): Promise<void> {
    return this.#back(this.redos, (version) => (this.redos = this.redos.filter((v) => v !== version)), true);
  }

  /** restore returns to a version, which is a new one then. */
  restore(version: number): Promise<void> {
    return this.#change(() => this.#restored(version), () => (this.redos = []));
  }

  async describe(body: Schema["Describe"]): Promise<void> {
    await ask(client.PATCH("/api/v1/recordings/{id}", { params: { path: { id: this.id } }, body }));
    await this.refresh();
  }

  async transcribe(body: Schema["NewText"]): Promise<void> {
    this.#follow(await ask(client.POST("/api/v1/recordings/{id}/transcribe", { params: { path: { id: this.id } }, body })));
  }

  async cancel(): Promise<void> {
    if (this.job) await ask(client.POST("/api/v1/jobs/{id}/cancel", { params: { path: { id: this.job.id } } }));
  }

  async retry(): Promise<void> {
    if (this.job) this.#follow(await ask(client.POST("/api/v1/jobs/{id}/retry", { params: { path: { id: this.job.id } } })));
  }

  forgetJob(): void {
    this.job = undefined;
  }

  #edited(segment: number, text: string): Promise<unknown> {
    const header = this.text?.version ? { "If-Match": `"${this.text.version}"` } : {};
    return ask(client.PATCH("/api/v1/transcripts/{id}", { params: { path: { id: this.id }, header }, body: { edits: [{ segment, text }] } }));
  }

  #restored(version: number): Promise<unknown> {
    return ask(client.POST("/api/v1/transcripts/{id}/versions/{version}/restore", { params: { path: { id: this.id, version } } }));
  }

  async #back(list: number[], then: (version: number, now: number) => void, keeps = false): Promise<void> {
    const version = list.at(-1);
    const now = this.text?.version;
    if (version === undefined || now === undefined) return;
    await this.#change(() => this.#restored(version), () => then(version, now), undefined, keeps);
  }

  // change waits for the changes before, makes one, and shows the version that it gave. With keeps, undo returns to the version before.
  #change(make: () => Promise<unknown>, then: () => void, failed?: (problem: Problem) => void, keeps = true): Promise<void> {
    this.saving++;
    const mine = this.#last.then(async () => {
      const before = this.text?.version;
      try {
        const text = (await make()) as Transcript;
        if (keeps && before !== undefined) this.undos = [...this.undos, before];
        this.text = text;
        this.saved = true;
        then();
      } catch (e) {
        if (!(e instanceof Problem) || !failed) throw e;
        failed(e);
      } finally {
        this.saving--;
      }
      if (this.saving === 0) await this.refresh();
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  // recall makes undo and redo of the versions that there are: they were made before this page was opened.
  async #recall(): Promise<void> {
    try {
      const versions = (await ask(client.GET("/api/v1/transcripts/{id}/versions", { params: { path: { id: this.id } } }))) ?? [];
      if (this.#closed || this.saving > 0 || this.undos.length > 0 || this.redos.length > 0) return;
      ({ undos: this.undos, redos: this.redos } = stepsOf(versions));
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // History has them
    }
  }

  async #readJobs(): Promise<void> {
    try {
      const page = await ask(client.GET("/api/v1/jobs", { params: { query: { recording_id: this.id, kind: "transcribe", limit: 1 } } }));
      const last = page.data?.[0];
      if (last && (active.has(last.state) || last.state === "dead")) this.#follow(last);
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // the next event asks again
    }
  }

  #follow(job: Job): void {
    if (this.#closed) return;
    this.#unfollow?.();
    this.#unfollow = undefined;
    this.job = job;
    if (!active.has(job.state)) {
      this.#ended(job);
      return;
    }
    this.#unfollow = events.follow(`job:${job.id}`, ({ type, data }) => {
      if (type === "error") return this.#ended(job); // it was removed
      if (type !== "job") return;
      this.job = data as Job;
      if (!active.has(this.job.state)) this.#ended(this.job);
    });
  }

  #ended(job: Job): void {
    this.#unfollow?.();
    this.#unfollow = undefined;
    if (job.state === "dead") return;
    this.job = undefined;
    void this.refresh();
  }

  #owes = false; // false where the text is there: an answer about its making is older
  #readOwed = reading(
    () => ask(client.GET("/api/v1/transcriptions/{id}", { params: { path: { id: this.id } } })),
    (owed) => (this.owed = this.#owes ? owed : undefined),
    () => (this.owed = undefined),
  );
}
