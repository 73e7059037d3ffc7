// The list of recordings: a page at a time, and what happens to them meanwhile.
import { ask, client, Problem, type Schema } from "../../api/client";
import { events } from "../../live/events.svelte";
import { present } from "../../lib/present";
import { reading } from "../../lib/reading";
import { scout } from "../../lib/scout.svelte";
import { day, today } from "../../lib/times";
import { typed } from "./lines";

export type Recording = Schema["RecordingInfo"];
export type Item = { day: string } | { one: Recording };

/** Filters are what the address says behind the ?, as the list understands it. */
export interface Filters {
  q: string;
  time: string;
  source: string;
  length: string;
  tag: string;
  trash: boolean;
}

export const times: Record<string, number> = { today: 0, week: 6, month: 29 }; // days before today
export const lengths: Record<string, { min_seconds?: number; max_seconds?: number }> = {
  short: { max_seconds: 60 },
  middle: { min_seconds: 60, max_seconds: 900 },
  long: { min_seconds: 900 },
};
export const sources = ["microphone", "browser", "upload", "openai", "wyoming", "import"] as const;

const count = 100; // rows in a request
const most = 200; // that one answer has
const settles = 200; // ms: what happens within it is read once

export const filtersOf = (query: URLSearchParams): Filters => ({
  q: (query.get("q") ?? "").trim(),
  time: query.get("time") ?? "",
  source: query.get("source") ?? "",
  length: query.get("length") ?? "",
  tag: query.get("tag") ?? "",
  trash: query.get("trash") === "1",
});

/** narrowed is true where not everything is shown. */
export const narrowed = (f: Filters): boolean => !!(f.q || f.time || f.source || f.length || f.tag || f.trash);

const midnights = new WeakMap<Recording, number>(); // before each recording: it is asked for with every page that is read

export class Rows {
  all = $state.raw<Recording[]>([]);
  loading = $state(true);
  problem = $state.raw<Problem | undefined>();
  /** complete is true when the last page was read. */
  complete = $state(false);

  /** items are the rows with a heading before each day. */
  items = $derived.by(() => {
    const items: Item[] = [];
    const now = today();
    let midnight = NaN;
    for (const one of this.all) {
      const start = midnights.get(one) ?? new Date(one.started_at).setHours(0, 0, 0, 0);
      midnights.set(one, start);
      if (start !== midnight) items.push({ day: day(one.started_at, now) });
      midnight = start;
      items.push({ one });
    }
    return items;
  });

  #filters: Filters = filtersOf(new URLSearchParams());
  #cursor: string | undefined;
  #running: AbortController | undefined;
  #reading = false;
  #changed = new Set<string>();
  #meanwhile = new Set<string>(); // what has changed while a page is read: it may be older
  #readings = new Map<string, () => Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** listen keeps the list as it is in the daemon. It returns how to stop. */
  listen(): () => void {
    const types = ["recording", "transcript", "transcription.done", "transcription.failed", "transcription.started", "transcription.promised", "job.succeeded", "job.dead", "job.started", "job.queued", "upload.finished", "purged"];
    const stops = [
      events.on(types, ({ type, data }) => {
        const { id, recording } = (data ?? {}) as { id?: string; recording?: string };
        const which = recording ?? (type.startsWith("job.") ? undefined : id?.split(".")[0]);
        if (which) this.changed(which);
      }),
      events.onReset(() => void this.read(this.#filters, true)),
    ];
    return () => {
      for (const stop of stops) stop();
      clearTimeout(this.#timer);
      this.#running?.abort();
    };
  }

  /** read begins the list anew; with again it reads as much of it as is shown. What is shown stays until the answer comes. */
  async read(filters: Filters, again = false): Promise<void> {
    this.#filters = filters;
    if (scout.was && scout.who !== "owner") return; // to somebody else the list is empty; it is read when the owner is back
    this.#running?.abort();
    const mine = (this.#running = new AbortController());
    this.loading = true;
    this.#reading = true;
    try {
      const wanted = again ? this.all.length : 0;
      let page = await this.#page(mine.signal, undefined, wanted);
      const all = page.data ?? [];
      while (all.length < wanted && page.next_cursor) {
        page = await this.#page(mine.signal, page.next_cursor, wanted - all.length);
        const known = new Set(all.map((one) => one.id)); // the list may change between two answers
        all.push(...(page.data ?? []).filter((one) => !known.has(one.id)));
      }
      if (this.#running !== mine) return;
      this.all = all;
      this.#turn(page.next_cursor);
      this.problem = undefined;
    } catch (e) {
      if (this.#running !== mine) return;
      if (e instanceof Problem) this.problem = e;
      else if (!(e instanceof DOMException)) throw e;
    }
    this.loading = false;
    this.#rests();
  }

  // rests says that no page is read any more.
  #rests(): void {
    this.#reading = false;
    for (const id of this.#meanwhile) this.changed(id);
    this.#meanwhile.clear();
  }

  /** more reads the next page. */
  async more(): Promise<void> {
    const mine = this.#running;
    if (this.#reading || !this.#cursor || !mine) return;
    this.#reading = true;
    try {
      const page = await this.#page(mine.signal, this.#cursor);
      if (this.#running !== mine) return;
      const known = new Set(this.all.map((one) => one.id));
      this.all = [...this.all, ...(page.data ?? []).filter((one) => !known.has(one.id))];
      this.#turn(page.next_cursor);
    } catch (e) {
      if (!(e instanceof Problem || e instanceof DOMException)) throw e; // scrolling asks again
    }
    if (this.#running === mine) this.#rests();
  }

  /** put shows a recording as it is now. */
  put(one: Recording): void {
    const at = this.all.findIndex((r) => r.id === one.id);
    const belongs = !!one.deleted_at === this.#filters.trash;
    if (at >= 0 && !belongs) this.all = this.all.toSpliced(at, 1);
    else if (at >= 0) this.all = this.all.with(at, { ...one, snippets: this.all[at]?.snippets });
    else if (belongs && this.#takes(one)) {
      const before = this.all.findIndex((r) => r.started_at < one.started_at);
      if (before >= 0) this.all = this.all.toSpliced(before, 0, one);
      else if (this.complete) this.all = [...this.all, one];
    }
  }

  remove(id: string): void {
    this.all = this.all.filter((one) => one.id !== id);
  }

  /** changed reads one recording again, soon. */
  changed(id: string): void {
    if (this.#reading) {
      this.#meanwhile.add(id);
      return;
    }
    this.#changed.add(id);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const ids = [...this.#changed];
      this.#changed.clear();
      // What is new, and of which only Scout knows whether it is looked for, is read with the others.
      if (ids.length > 20 || (this.#asks && ids.some((one) => !this.all.some((r) => r.id === one)))) void this.read(this.#filters, true);
      else for (const one of ids) void this.#again(one);
    }, settles);
  }

  #again(id: string): Promise<void> {
    const again = this.#readings.get(id) ?? reading(
      () => ask(client.GET("/api/v1/recordings/{id}", { params: { path: { id } } })),
      (one) => this.put(one),
      ({ status }) => status === 404 && this.remove(id),
    );
    this.#readings.set(id, again);
    return again();
  }

  // asks is true where only Scout knows what belongs into the list.
  get #asks(): boolean {
    const { q, time, length } = this.#filters;
    return !!(q || time || length);
  }

  // takes is true where a new recording belongs into the list without a question to the daemon.
  #takes(one: Recording): boolean {
    const { tag, source } = this.#filters;
    return !this.#asks && (!source || one.source === source) && (!tag || (one.tags ?? []).includes(tag));
  }

  #turn(cursor?: string): void {
    this.#cursor = cursor;
    this.complete = !cursor;
  }

  #page(signal: AbortSignal, cursor?: string, wanted = count): Promise<Schema["PageRecordingInfo"]> {
    const { q, time, source, length, tag, trash } = this.#filters;
    const days = times[time];
    const from = new Date(present());
    from.setHours(0, 0, 0, 0);
    from.setDate(from.getDate() - (days ?? 0));
    const query = {
      limit: Math.min(Math.max(wanted, count), most),
      cursor,
      q: q ? typed(q) : undefined,
      from: days === undefined ? undefined : from.toISOString(),
      source: (sources as readonly string[]).includes(source) ? (source as (typeof sources)[number]) : undefined,
      tag: tag ? [tag] : undefined,
      deleted: trash || undefined,
      ...lengths[length],
    };
    return ask(client.GET("/api/v1/recordings", { params: { query }, signal }));
  }
}
