// What the whole page knows of the daemon: whether this browser is the owner's, how Scout is, and what is being recorded.
import { type Schema, ask, client, onRefused, Problem, root } from "../api/client";
import { events } from "../live/events.svelte";

/** Who is what this browser may do: unknown until the daemon has answered, nobody where it needs scout open. */
export type Who = "unknown" | "owner" | "client" | "nobody";

const tellEvery = 1000; // ms
const askAgain = 3000; // ms, while this browser is nobody's: scout open may have run in another tab

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
    try {
      this.#recorder(await ask(client.GET("/api/v1/recorder")));
      const known = this.who === "owner";
      this.who = "owner";
      this.was = true;
      if (!known) events.anew();
      await this.#readHealth();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      if (e.code === "offline") events.again();
    }
  }

  async readRecorder(): Promise<void> {
    try {
      this.#recorder(await ask(client.GET("/api/v1/recorder")));
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // the next event, or the next connection, asks again
    }
  }

  async #readHealth(): Promise<void> {
    try {
      const answer = await client.GET("/api/v1/health");
      this.health = answer.data ?? (answer.error as unknown as Schema["Health"]); // 503 has the same form
    } catch {
      // it is asked for again when there is a connection
    }
  }

  #recorder(now: Schema["Recorder"]): void {
    this.recorder = now;
    this.since = now.recording && now.state !== "idle" ? Date.now() - now.recording.seconds * 1000 : undefined;
  }

  #refused(problem: Problem): void {
    this.who = problem.status === 403 ? "client" : "nobody";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), askAgain);
  }
}

export const scout = new Scout();
