// The one stream of events of all tabs. It runs in a shared worker, or in the page itself where there is none. docs/API.md, "Events".
import { createParser } from "eventsource-parser";

/** Event is one of GET /events. topic is set for those of a single dictation, job or device. */
export interface Event {
  id?: number;
  type: string;
  topic?: string;
  at?: string;
  data?: unknown;
  missed?: number;
}

/** Link is how the stream is: refused where the daemon does not know this browser. */
export type Link = "connecting" | "online" | "offline" | "refused";

/** FromTab is what a tab says. began is the topic that it follows from now on: all that is known of it comes once more, to every tab. */
export type FromTab = { is: "hello"; lock?: string } | { is: "topics"; topics: string[]; began?: string } | { is: "again" } | { is: "anew" } | { is: "bye" };
export type ToTab = { is: "link"; link: Link } | { is: "event"; event: Event } | { is: "reset" };

// escaped is a topic in a list of them: ids of devices have commas on some systems.
const escaped = (topic: string) => topic.replaceAll(",", "%2C");

interface Port {
  postMessage(message: ToTab): void;
}

// Types that every tab hears of. Events of devices are asked for one by one: the sound system is left alone otherwise.
const everybody = ["recorder", "recording", "transcript", "transcription", "job", "upload", "model", "health", "degradation", "settings", "purged"];
const silentFor = 45_000; // ms; the daemon says something every 30 s
/** tellEvery is how often a tab without a lock says what it wants, in ms; one that is silent for six times as long is gone. Browsers let hidden tabs wait for a minute. */
export const tellEvery = 30_000;
const mostThings = 200; // that one stream follows; docs/API.md
const waits = [250, 500, 1000, 2000, 4000]; // ms, between attempts

export class Hub {
  #tabs = new Map<Port, string[]>();
  #link: Link = "connecting";
  #last: number | undefined;
  #attempts = 0;
  #running: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heard = new Map<Port, number>(); // tabs without a lock, and when each of them said something

  /** root is the address of the daemon, without / at its end. */
  constructor(readonly root: string) {}

  /** join adds a tab; receive takes what it sends. */
  join(port: Port): (message: FromTab) => void {
    this.#tabs.set(port, []);
    port.postMessage({ is: "link", link: this.#link });
    return (message) => {
      if (this.#heard.has(port)) this.#heard.set(port, Date.now());
      switch (message.is) {
        case "hello": // the lock is held as long as the tab lives
          this.#open(0);
          if (message.lock) void globalThis.navigator?.locks?.request(message.lock, () => this.#leave(port));
          else this.#heard.set(port, Date.now());
          break;
        case "topics":
          this.#sweep();
          if (!this.#tabs.has(port)) port.postMessage({ is: "link", link: this.#link }); // it was taken for gone
          this.#tabs.set(port, message.topics);
          // A stream tells the past of a thing at its beginning only: one that followed it for another tab is of no use to this one.
          if (message.began && this.#following.split(",").includes(escaped(message.began))) this.#following = "";
          this.#open(0);
          break;
        case "again":
          if (this.#link !== "online") this.#open(0);
          break;
        case "anew": // who this browser is has changed
          this.#running?.abort();
          this.#running = undefined;
          this.#is("connecting"); // what somebody else was told is read again
          this.#open(0);
          break;
        case "bye":
          this.#leave(port);
      }
    };
  }

  #sweep(): void {
    for (const [port, at] of this.#heard) if (Date.now() - at > 6 * tellEvery) this.#leave(port);
  }

  #leave(port: Port): void {
    if (!this.#tabs.delete(port)) return;
    if (this.#tabs.size === 0) {
      clearTimeout(this.#timer);
      this.#running?.abort();
      this.#running = undefined;
    } else this.#open(0);
  }

  #tell(message: ToTab): void {
    for (const port of this.#tabs.keys()) port.postMessage(message);
  }

  #is(link: Link): void {
    if (link === this.#link) return;
    this.#link = link;
    this.#tell({ is: "link", link });
  }

  #topics(): string {
    const wanted = new Set([...this.#tabs.values()].flat());
    // Past the bound are jobs, whose ends everybody hears of.
    const all = [...wanted].sort((a, b) => Number(a.startsWith("job:")) - Number(b.startsWith("job:")) || (a < b ? -1 : 1));
    return [...everybody, ...all.slice(0, mostThings)].map(escaped).join(",");
  }

  #following = "";

  // open follows the events, in the place of the stream before, if that follows something else.
  #open(after: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const topics = this.#topics();
      if (this.#running && this.#following === topics) return;
      this.#running?.abort();
      const mine = (this.#running = new AbortController());
      this.#following = topics;
      void this.#follow(topics, mine).then(() => {
        if (this.#running !== mine) return;
        this.#running = undefined;
        if (this.#tabs.size > 0) this.#open(waits[Math.min(this.#attempts++, waits.length - 1)] ?? 0);
      });
    }, after);
  }

  async #follow(topics: string, mine: AbortController): Promise<void> {
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => mine.abort(), silentFor);
    };
    try {
      alive();
      const query = `?topics=${encodeURIComponent(topics)}` + (this.#last === undefined ? "" : `&after=${this.#last}`);
      const answer = await fetch(`${this.root}/api/v1/events${query}`, { signal: mine.signal, cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) return this.#is("refused");
      if (!answer.ok || !answer.body) return this.#is("offline");
      const parser = createParser({
        onEvent: ({ id, event, data }) => {
          if (id) this.#last = Number(id);
          if (event === "reset") return this.#tell({ is: "reset" });
          this.#tell({ is: "event", event: { type: event ?? "message", ...(JSON.parse(data) as object) } });
        },
      });
      const text = new TextDecoder();
      const reader = answer.body.getReader();
      for (let first = true; ; first = false) {
        const { done, value } = await reader.read();
        if (done) break;
        alive();
        if (first) {
          this.#attempts = 0;
          this.#is("online");
        }
        parser.feed(text.decode(value, { stream: true }));
      }
      if (this.#running === mine) this.#is("connecting");
    } catch {
      if (this.#running === mine) this.#is("offline");
    } finally {
      clearTimeout(watchdog);
    }
  }
}
