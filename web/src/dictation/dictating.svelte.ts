// The dictation of this page: begun here with one of two microphones, or somewhere else with the machine's. It goes on whatever place is shown.
import { untrack } from "svelte";
import { type Schema, ask, client, Problem, transcript } from "../api/client";
import { copyText } from "../lib/clipboard";
import { random } from "../lib/random";
import { remembered } from "../lib/remembered";
import { scout } from "../lib/scout.svelte";
import { sentences } from "../lib/sentences";
import { toasts } from "../lib/toasts.svelte";
import type { Event } from "../live/hub";
import { events } from "../live/events.svelte";
import { words } from "../words";
import { Dictation, type LiveEvent, type Phase } from "./dictation.svelte";
import { Levels } from "./levels.svelte";
import { type Microphone, open } from "./microphone";
import { abandoned, Sender } from "./sender";
import { type Kept, store } from "./store";

/** Choices are what the person chose for the next dictations. */
export interface Choices {
  /** source is whose microphone it is, device which of them; empty for the usual one. */
  source: "machine" | "browser";
  device: string;
  /** language and model are empty where the settings say. */
  language: string;
  model: string;
}

const w = words.now;
const kept = remembered<Partial<Choices>>("dictation", {});
const adoptAgain = 2000; // ms
const storeWithin = 1000; // ms: sound that is there is sent, whether the browser can keep it or not
const absentFor = 500; // ms, before the events of a dictation are asked for again
const hear = 0.05; // s between two levels of the machine

class Dictating {
  choices = $state<Choices>({ source: "machine", device: "", language: "", model: "", ...kept.get() });
  current = $state<Dictation | undefined>();
  /** local is true while the sound is that of this browser. */
  local = $state(false);
  /** unsent is true while Scout does not take the sound of this browser: it waits here. */
  unsent = $state(false);
  /** unstored is true where this browser does not keep the sound: only the memory of this tab has what Scout did not take. */
  unstored = $state(false);
  /** problem is why a dictation could not begin. */
  problem = $state<{ message: string; hint?: string } | undefined>();
  readonly levels = new Levels();

  #microphone: Microphone | undefined;
  #sender: Sender | undefined;
  #wanted = false; // false when it was stopped before it had begun
  #closing: Promise<void> = Promise.resolve(); // the microphone, when it was stopped
  #away = ""; // the dictation that the person has put away: its recording may not have ended yet
  /** stopToText is how long the last final text took after the stop, in ms, for measurements. */
  stopToText = $state<number | undefined>();
  #stopped = 0;

  start(): void {
    $effect.root(() => {
      $effect(() => kept.set({ ...this.choices }));
      // A dictation that began elsewhere, or before this page was opened.
      $effect(() => {
        const recording = scout.recorder?.recording;
        if (recording?.live && scout.recorder?.state !== "idle" && this.current?.id !== recording.id && this.#away !== recording.id && (!this.current || this.current.over)) untrack(() => this.#watch(recording));
      });
    });
    events.on(["transcript"], (e) => this.#revised(e));
    addEventListener("online", () => this.#sender?.again());
    addEventListener("beforeunload", (e) => this.unsent && this.unstored && e.preventDefault());
    void this.#adopt();
  }

  /** choose changes what the next dictation is made with. */
  choose(change: Partial<Choices>): void {
    Object.assign(this.choices, change);
  }

  /** begin starts a dictation. */
  async begin(): Promise<void> {
    if (this.current && !this.current.over) return;
    this.problem = undefined;
    this.stopToText = undefined;
    this.#wanted = true;
    this.levels.clear();
    const d = (this.current = new Dictation());
    try {
      const ended = this.choices.source === "browser" ? await this.#fromBrowser(d) : await this.#fromMachine(d);
      if (ended || this.#wanted || this.current !== d) return; // the one that came after it has its recording
      const cancelled = d.phase === "cancelled";
      if (cancelled) d.phase = "opening"; // there is something to cancel now
      await (cancelled ? this.cancel() : this.stop());
    } catch (e) {
      if (this.current !== d) return;
      void this.#quiet();
      this.current = undefined;
      this.problem = e instanceof Problem ? { message: e.code === "offline" ? w.problems.offline : e.message, hint: e.hint } : { message: String(e) };
    }
  }

  /** stop ends the recording, and its text is completed. */
  async stop(): Promise<void> {
    const d = this.current;
    this.#wanted = false;
    if (!d || d.over || (d.phase === "opening" && !d.id && !this.#microphone)) return;
    const { phase } = d;
    if (phase === "stopping" || phase === "finishing") return;
    this.#stopped = performance.now();
    d.phase = "stopping";
    if (this.local) {
      await this.#quiet();
      this.#sender?.stop();
      return;
    }
    try {
      await ask(client.POST("/api/v1/recorder/stop", { body: { id: d.id } }));
    } catch (e) {
      if (d.phase === "stopping") d.phase = phase; // it goes on, and can be stopped again
      this.#failed(e);
    }
  }

  /** cancel ends the recording and keeps its sound without a text. */
  async cancel(): Promise<void> {
    const d = this.current;
    this.#wanted = false;
    if (!d || d.over) return;
    const begun = d.id !== "" || this.#microphone !== undefined;
    const { phase } = d;
    d.phase = "cancelled";
    d.partial = d.note = "";
    if (!begun) return; // begin goes on from here
    if (this.local) {
      await this.#quiet();
      this.#sender?.cancel();
    } else {
      try {
        await ask(client.POST("/api/v1/live/{id}/cancel", { params: { path: { id: d.id } } }));
      } catch (e) {
        if (d.phase === "cancelled" && !d.ended) d.phase = phase; // as above
        return this.#failed(e);
      }
    }
    toasts.say(w.cancelled);
  }

  /** discard moves the recording and its text to the trash, with a way back. */
  async discard(): Promise<void> {
    const d = this.current;
    if (!d?.over || !d.id) return;
    const path = { id: d.id };
    try {
      await ask(client.DELETE("/api/v1/recordings/{id}", { params: { path } }));
    } catch (e) {
      this.#failed(e);
      return;
    }
    this.clear();
    toasts.say(w.discarded, {
      undo: () => {
        ask(client.POST("/api/v1/recordings/{id}/restore", { params: { path } })).then(
          () => (this.current ??= d),
          (e: unknown) => this.#failed(e),
        );
      },
    });
  }

  /** copied is true for a moment after the text was copied. */
  copied = $state(false);

  /** copy puts the text into the clipboard. */
  async copy(): Promise<void> {
    const text = this.current?.text;
    if (!text) return;
    if (!(await copyText(text))) return toasts.say(w.notCopied, { kind: "bad" });
    this.copied = true;
    setTimeout(() => (this.copied = false), 2000);
  }

  /** clear makes room for the next dictation on the page. */
  clear(): void {
    if (this.current && !this.current.over) return;
    this.#away = this.current?.id ?? "";
    this.current = undefined;
    this.levels.clear();
  }

  #failed(e: unknown): void {
    toasts.say(e instanceof Problem ? sentences(e.message, e.hint) : String(e), { kind: "bad" });
  }

  async #fromMachine(d: Dictation): Promise<boolean> {
    this.local = false;
    const { device, language, model } = this.choices;
    const options = { ...(device ? { device } : {}), ...(language ? { language } : {}), ...(model ? { model } : {}) };
    const started = await ask(client.POST("/api/v1/recorder/start", { body: { live: true, transcribe: true, ...options } }));
    d.id = started.id;
    d.since = Date.now() - started.duration_seconds * 1000;
    if (started.warning) d.say(started.warning.message, true);
    this.#follow(d);
    void scout.readRecorder();
    return false;
  }

  #watch(recording: NonNullable<Schema["Recorder"]["recording"]>): void {
    this.levels.clear();
    const d = (this.current = new Dictation());
    d.id = recording.id;
    d.since = Date.now() - recording.seconds * 1000;
    this.#follow(d);
  }

  // follow takes the events of the machine's recorder and the level of its microphone, until the last event came.
  #follow(d: Dictation): void {
    this.local = false;
    const level = events.follow("level:", (e) => {
      const data = e.data as { rms?: number; peak?: number } | undefined;
      if (e.type === "level" && data && d === this.current) this.levels.add(data.rms ?? 0, data.peak ?? 0, hear);
    });
    const live = events.follow(`live:${d.id}`, (e) => {
      if (e.type === "live") this.#take(d, e.data as LiveEvent);
      else if (e.type === "error") {
        leave();
        void this.#absent(d);
      }
      if (!d.live) level();
      if (d.ended || e.type === "ended") leave();
      if (e.type === "ended" && !d.over) void this.#absent(d); // the stream has ended, and not with its last event
    });
    const leave = () => {
      level();
      live();
    };
  }

  #take(d: Dictation, e: LiveEvent): void {
    d.take(e);
    if (e.type === "final" && this.#stopped && d === this.current) {
      this.stopToText = performance.now() - this.#stopped;
      this.#stopped = 0;
    }
  }

  // absent goes on where the daemon has no events of a dictation: they are not there yet, or not kept any more.
  async #absent(d: Dictation): Promise<void> {
    if (d !== this.current || d.over) return;
    await scout.readRecorder();
    if (scout.recorder?.recording?.id === d.id || scout.recorder?.state === "failed") { // a recorder that cannot be asked may have it
      setTimeout(() => {
        if (d === this.current && !d.over) this.#follow(d);
      }, absentFor);
      return;
    }
    try {
      const { text, version } = await transcript(d.id);
      d.take({ type: "final", text, version });
    } catch {
      d.phase = "done"; // its text comes later, with an event
    }
  }

  // fromBrowser returns true where the dictation was ended before it could be sent, and is.
  async #fromBrowser(d: Dictation): Promise<boolean> {
    let sender: Sender | undefined;
    const early: Int16Array<ArrayBuffer>[] = []; // what comes before the database is ready
    const hears = (samples: Int16Array<ArrayBuffer>) => {
      if (d.phase === "opening" && this.#wanted) {
        d.phase = "listening";
        d.since = Date.now();
        scout.own = { since: d.since };
      }
      this.levels.samples(samples);
      if (sender) sender.hear(samples);
      else early.push(samples);
    };
    this.local = true;
    this.unsent = false;
    const microphone = await open(this.choices.device, {
      hear: hears,
      lost: (why) => {
        d.say(w.notes[why], true);
        void this.stop();
      },
      still: (no) => {
        if (no && d.phase === "listening") d.phase = "away";
        else if (!no && d.phase === "away") d.phase = "listening";
      },
      missing: (ms) => {
        d.say(w.notes.missing(ms / 1000), true);
        if (d.since === undefined) return;
        d.since += ms; // the clock tells what is recorded
        scout.own = { since: d.since };
      },
    });
    if (this.current !== d) { // it was cancelled, and another one begun, while the browser asked the person
      await microphone.close();
      return true;
    }
    this.#microphone = microphone;
    await Promise.race([store.open().catch(() => undefined), new Promise((go) => setTimeout(go, storeWithin))]);
    const { language, model } = this.choices;
    const one: Kept = {
      key: random(), id: "", rate: microphone.rate, at: 0, base: 0, after: 0, began: Date.now(), labels: microphone.labels,
      ...(language ? { language } : {}), ...(model ? { model } : {}),
    };
    sender = this.#send(d, one);
    if (this.current === d) this.#sender = sender;
    void sender.begin(); // nobody else knows its key
    for (const samples of early) sender.hear(samples);
    if (this.#microphone === microphone) return false;
    await this.#closing; // its last sound belongs to it
    if ((d.phase as Phase) === "cancelled") sender.cancel();
    else sender.stop();
    return true;
  }

  // send has a dictation of this browser sent, the present one or one that another tab has left.
  #send(d: Dictation, kept: Kept): Sender {
    let away: number | undefined;
    this.unstored = false;
    const sender: Sender = new Sender(kept, {
      event: (e) => {
        this.#take(d, e);
        if (e.type === "final") sender.complete(); // its file is final: a tab that closes now leaves nothing
      },
      began: (id) => {
        d.id = id;
        void client.PATCH("/api/v1/recordings/{id}", { params: { path: { id } }, body: { labels: kept.labels } }).catch(() => undefined); // it is of use to people only
      },
      parted: () => d.part(),
      unstored: () => (this.unstored = true),
      usual: (problem) => d.say(w.notes.usual(problem.message), true),
      link: (connected) => {
        this.unsent = !connected;
        if (connected && away !== undefined && d.live) d.say(w.notes.sentLater(away, Date.now() - (d.since ?? 0)));
        away = connected ? undefined : (away ?? Date.now() - (d.since ?? 0));
      },
      over: (problem, left = false) => {
        this.unsent = false;
        if (problem) {
          if (sender === this.#sender) void this.#quiet();
          d.phase = "failed";
          d.refused = left;
          d.error = { message: problem.message, hint: problem.hint };
        }
        if (sender === this.#sender) this.#sender = undefined;
      },
    });
    return sender;
  }

  // adopt sends what tabs have left that are gone, so that none of it is lost. A tab may be gone only a moment later.
  async #adopt(again = true): Promise<void> {
    for (const one of await abandoned().catch(() => [])) {
      const d = new Dictation();
      d.id = one.id;
      d.since = one.began;
      d.phase = "stopping";
      const sender = this.#send(d, { ...one, after: 0 }); // this page has none of its events
      if (!(await sender.begin())) continue;
      sender.stop();
      d.say(w.notes.adopted);
      if (this.current) {
        toasts.say(w.adopted);
        continue;
      }
      this.current = d;
      this.#sender = sender;
      this.local = true;
    }
    if (again) setTimeout(() => void this.#adopt(false), adoptAgain);
  }

  #revised(e: Event): void {
    const data = e.data as { transcript?: string; version?: number } | undefined;
    const d = this.current;
    if (!d?.over || !d.id || data?.transcript !== d.id || !data.version || e.type === "transcript.deleted") return;
    void d.revise(data.version, e.type === "transcript.revised").catch(() => undefined); // the library has it
  }

  // quiet closes the microphone of this browser, when its last sound was heard.
  async #quiet(): Promise<void> {
    const microphone = this.#microphone;
    const { own } = scout;
    this.#microphone = undefined;
    if (microphone) this.#closing = microphone.close();
    await this.#closing;
    if (scout.own === own) scout.own = undefined; // else another one has begun
  }
}

export const dictating = new Dictating();
