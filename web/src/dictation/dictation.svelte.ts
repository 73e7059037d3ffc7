// A dictation as this page shows it, made of its events: docs/formats/live-events.md.
import { transcript } from "../api/client";
import { words } from "../words";

/** LiveEvent is one event of a dictation. */
export interface LiveEvent {
  seq?: number;
  type: string;
  state?: string;
  error?: { code: string; message: string; hint?: string };
  degradation?: number;
  text?: string;
  start?: number;
  end?: number;
  after?: number;
  set_aside?: { start: number; end: number; code: string; reason: string }[];
  frames?: number;
  reason?: string;
  delay_seconds?: number;
  version?: number;
  kind?: string;
  duration?: number;
  complete?: boolean;
  warnings?: string[];
  second_pass?: { outcome: string; model?: string };
}

/** Piece is a part of the text that does not change any more, or a line about what happened at its place. */
export type Piece = { is: "text"; key: number; text: string } | { is: "note"; key: number; text: string; bad: boolean };

/**
 * Phase is what a dictation does: opening the microphone, listening, away (no sound arrives any more), finishing its text, done, or failed
 * (without text, with the audio kept); cancelled where nobody wanted a text.
 */
export type Phase = "opening" | "listening" | "away" | "stopping" | "finishing" | "done" | "failed" | "cancelled";

const w = words.now.notes;

const whole = (e: LiveEvent) => e.type === "final" || e.type === "revised" || e.state === "done" || e.state === "failed";

export class Dictation {
  phase = $state<Phase>("opening");
  id = $state("");
  pieces = $state.raw<Piece[]>([]);
  partial = $state("");
  /** note is what is wrong at the moment, and is over when it is empty. */
  note = $state("");
  /** error says why the dictation has failed or waits. */
  error = $state<{ message: string; hint?: string } | undefined>();
  /** text is the whole text, once it is complete; first is what it was before a better version replaced it. */
  text = $state("");
  /** version is that of the kept text: 0 where it is only a beginning, and the whole text comes later. */
  version = $state(0);
  first = $state("");
  /** degradation is by how much Scout reduces its work. */
  degradation = $state(0);
  /** seconds is the length of the recording, once it has ended. */
  seconds = $state<number | undefined>();
  /** since is when the sound began, by this browser's clock. */
  since = $state<number | undefined>();
  /** spoken is the newest text that does not change any more, for screen readers. */
  spoken = $state("");

  /** better is true while the text may be replaced by that of the accurate model. */
  better = $state(false);
  /** refused is true where Scout did not take the sound: it is still in the browser. */
  refused = $state(false);
  /** ended is true when no event comes any more. */
  ended = false;

  /** seq is the number of the last event that was taken. */
  seq = 0;
  #key = 0;

  /** over is true when nothing more comes of the recording. */
  over = $derived(this.phase === "done" || this.phase === "failed" || this.phase === "cancelled");
  /** told is true where the pieces say the whole text: it came as it was said, and nothing has changed it since. */
  told = $derived(this.pieces.reduce((all, one) => (one.is === "text" ? all + one.text : all), "").replace(/\s+/g, "") === this.text.replace(/\s+/g, ""));
  /** live is true while sound is taken, or about to be. */
  live = $derived(this.phase === "opening" || this.phase === "listening" || this.phase === "away");

  #add(piece: { is: "text"; text: string } | { is: "note"; text: string; bad: boolean }): void {
    this.pieces = [...this.pieces, { ...piece, key: this.#key++ }];
  }

  /** say puts a line about what happened between the words. */
  say(text: string, bad = false): void {
    this.#add({ is: "note", text, bad });
  }

  /** part goes on with a recording of its own; what was said before is in the one before. */
  part(): void {
    this.id = "";
    this.seq = 0;
    this.partial = "";
    this.say(w.parted);
  }

  /**
   * take takes an event. One that was taken before is left out, and so is one that follows others which are still to come: all of them come once more,
   * in their order, because another tab had the stream before this one. What tells the whole is taken at any time.
   */
  take(e: LiveEvent): void {
    if (e.seq !== undefined) {
      if (e.seq <= this.seq || (e.seq > this.seq + 1 && !whole(e))) return;
      this.seq = e.seq;
    }
    switch (e.type) {
      case "state":
        this.#state(e);
        break;
      case "partial":
        this.partial = e.text ?? "";
        break;
      case "committed":
        this.#add({ is: "text", text: e.text ?? "" });
        this.spoken = e.text ?? "";
        this.partial = "";
        for (const one of e.set_aside ?? []) this.say(w.aside(one.start, one.end), true);
        break;
      case "gap":
        this.say(w.gap(e.start ?? 0, e.end ?? 0, e.reason ?? ""), true);
        break;
      case "trouble":
        this.say(e.error ? w.trouble(e.error.message) : w.troubleOver, e.error !== undefined);
        break;
      case "behind":
        this.note = e.delay_seconds ? w.behind(e.start ?? 0, e.end ?? 0) : "";
        break;
      case "final":
      case "revised":
        this.#final(e);
    }
  }

  #state(e: LiveEvent): void {
    if (e.degradation !== undefined) this.degradation = e.degradation;
    this.error = e.error;
    switch (e.state) {
      case "starting":
        if (e.error && this.phase === "listening") this.phase = "away";
        break;
      case "listening":
        if (this.phase === "away") this.say(w.back);
        if (this.live) this.phase = "listening";
        this.since ??= Date.now();
        break;
      case "stopping":
        if (this.phase !== "cancelled") this.phase = "stopping";
        break;
      case "finishing":
        if (this.phase !== "cancelled" && !(this.phase === "done" && this.version > 0)) this.phase = "finishing"; // a text that is kept stays done
        break;
      case "done":
        this.ended = true;
        this.better = false;
        if (this.phase !== "cancelled") this.phase = "done";
        break;
      case "failed":
        this.ended = true;
        if (this.phase !== "cancelled") this.phase = "failed";
    }
  }

  // final takes a text. It is the person's from then on, also where a better one may follow.
  #final(e: LiveEvent): void {
    const text = e.text ?? "";
    if (e.type === "revised" && this.version > 0 && text !== this.text) this.first = this.text;
    this.text = text;
    this.version = e.version ?? this.version;
    this.better = e.second_pass?.outcome === "pending";
    if (this.phase !== "cancelled" && this.phase !== "failed") this.phase = "done";
    this.seconds = e.duration ?? this.seconds;
    this.partial = "";
    this.note = "";
  }

  /** revise shows a later version of the text: a better one of a model, or one that a person edited elsewhere. */
  async revise(version: number, better: boolean): Promise<void> {
    if (version <= this.version || !this.id) return;
    const { text } = await transcript(this.id, version);
    if (version <= this.version) return;
    this.first = better && this.version > 0 && text !== this.text ? this.text : "";
    this.text = text;
    this.version = version;
    if (this.phase === "failed") this.phase = "done"; // its text was made later
  }
}
