// What the whole page knows of the daemon: whether this browser is the owner's, how Scout is, and what is being recorded.
import { type Schema, ask, client, onRefused, Problem, root } from "../api/client";
import { events } from "../live/events.svelte";
import { reading } from "./reading";

/** Who is what this browser may do: unknown until the daemon has answered, nobody where it needs scout open. */
export type Who = "unknown" | "owner" | "client" | "nobody";

const tellEvery = 1000; // ms
const askAgain = 3000; // ms, while this browser is nobody's, for scout open may have run in another tab; and where Scout had no answer

// healthOf is what an answer says of Scout's health: 503 has the same form, and an error has another.
export const healthOf = (body: unknown): Schema["Health"] | undefined => (Array.isArray((body as Partial<Schema["Health"]> | undefined)?.components) ? (body as Schema["Health"]) : undefined);

class Scout {
  who = $state<Who>("unknown");
  /** was is true where this browser was the owner's since the page was opened: what is on the screen stays. */
  was = $state(false);
  health = $state<Schema["Health"] | undefined>();
  recorder = $state<Schema["Recorder"] | undefined>();
  /** since is when the recording of the machine's microphone began, by this browser's clock; undefined for none. */
  since = $state<number | undefined>();
  /** own is a recording of this browser's microphone in this tab. */
  own = $state<{ since: number } | undefined>();

  #elsewhere = $state<number | undefined>();
  /** recordingSince is when the recording began that is under way, wherever its sound comes from: here, another tab, or the machine. */
  recordingSince = $derived(this.own?.since ?? this.since ?? this.#elsewhere);

  #timer: ReturnType<typeof setTimeout> | undefined;

  start(): void {
    onRefused((problem) => this.#refused(problem));
    events.on(["health", "degradation"], () => void this.#readHealth());
    events.on(["recorder", "recording.started", "recording.finished", "recording.deleted"], () => void this.readRecorder());
    events.onReset(() => void this.look());
    $effect.root(() => {
      $effect(() => {
        if (events.link === "online" || events.link === "refused") void this.look();
      });
      this.#tellTabs();
    });
    events.start();
    void this.look();
  }

  // tellTabs has other tabs of this browser show that this one records, as long as it does.
  #tellTabs(): void {
    const channel = new BroadcastChannel(`scout-recording ${root}`);
    let timer: ReturnType<typeof setTimeout>;
    channel.onmessage = ({ data }) => {
      this.#elsewhere = (data as { since?: number }).since;
      clearTimeout(timer);
      timer = setTimeout(() => (this.#elsewhere = undefined), tellEvery * 3);
    };
    $effect(() => {
      const since = this.own?.since;
      if (since === undefined) return;
      const tell = () => channel.postMessage({ since });
      tell();
      const again = setInterval(tell, tellEvery);
      return () => {
        clearInterval(again);
        channel.postMessage({});
      };
    });
  }

  /** look finds out who this browser is to the daemon, and how Scout is. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    await this.readRecorder();
    if (this.who === "owner") await this.#readHealth();
  }

  /** readRecorder reads what is recorded at the moment. That Scout answers says who this browser is. */
  readRecorder = reading(
    () => ask(client.GET("/api/v1/recorder")),
    (now) => {
      this.recorder = now;
      this.since = now.recording && now.state !== "idle" ? Date.now() - now.recording.seconds * 1000 : undefined;
      const known = this.who === "owner";
      this.who = "owner";
      this.was = true;
      if (!known) events.anew();
    },
    ({ code, status }) => {
      if (code === "offline") events.again();
      if (status === 401 || status === 403) return; // refused asks again
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.look(), askAgain);
    },
  );

  #readHealth = reading(
    async () => {
      try {
        const { data, error } = await client.GET("/api/v1/health");
        return data ?? healthOf(error);
      } catch {
        return undefined; // the page says that Scout is away
      }
    },
    (now) => (this.health = now ?? this.health),
  );

  #refused(problem: Problem): void {
    this.who = problem.status === 403 ? "client" : "nobody";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), askAgain);
  }
}

export const scout = new Scout();
