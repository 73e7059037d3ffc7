// The player of one recording.
import { address } from "../../api/client";
import { remembered } from "../../lib/remembered";

export const rates = [0.75, 1, 1.25, 1.5, 1.75, 2];
const rate = remembered("library.rate", 1);
const decodable = 2 * 3600; // s: what a browser cannot play is decoded by the daemon and held in memory

export class Player {
  playing = $state(false);
  /** shown is the position in whole seconds, for texts; now() is exact. */
  shown = $state(0);
  /** problem is true where this browser cannot play the audio; away where Scout did not answer. */
  problem = $state(false);
  away = $state(false);
  loading = $state(false);
  /** duration is in seconds; 0 until the browser has found it, where the daemon does not know it. */
  duration = $state(0);
  #rate = $state(rates.includes(rate.get()) ? rate.get() : 1);

  #audio = new Audio();
  #ticks = new Set<(seconds: number) => void>();
  #until: number | undefined;
  #frame = 0;
  #blob: string | undefined;
  #end = new AbortController(); // of what is asked for when it is closed: a decoded file may be a gigabyte
  #wanted: number | undefined; // a position that was asked for before the browser knew how long the audio is

  constructor(
    readonly id: string,
    duration: number,
  ) {
    this.duration = duration;
    const audio = this.#audio;
    audio.preload = "metadata";
    audio.preservesPitch = true;
    audio.onplay = () => ((this.playing = true), this.#run());
    audio.onpause = () => ((this.playing = false), this.#tick());
    audio.onseeked = () => this.#tick();
    audio.onloadedmetadata = () => {
      audio.playbackRate = this.#rate;
      if (this.duration === 0 && Number.isFinite(audio.duration)) this.duration = audio.duration;
      if (this.#wanted !== undefined) audio.currentTime = this.#wanted;
      this.#wanted = undefined;
    };
    audio.onerror = () => void this.#failed();
    audio.src = this.#address();
  }

  /** again goes on where Scout did not answer before. */
  again(): void {
    if (!this.away) return;
    this.away = false;
    this.#wanted = this.now();
    this.#audio.src = this.#address();
  }

  #address(as = ""): string {
    return address(`/api/v1/recordings/${encodeURIComponent(this.id)}/audio${as}`);
  }

  get rate(): number {
    return this.#rate;
  }

  set rate(value: number) {
    this.#rate = value;
    this.#audio.playbackRate = value;
    rate.set(value);
  }

  now(): number {
    return this.#wanted ?? this.#audio.currentTime;
  }

  /** onTick calls back with the position whenever it changes, at most once a frame. It returns how to stop. */
  onTick(call: (seconds: number) => void): () => void {
    this.#ticks.add(call);
    call(this.now());
    return () => this.#ticks.delete(call);
  }

  toggle(): void {
    this.#until = undefined;
    if (this.#audio.paused) {
      this.again();
      this.#play();
    }
    else this.#audio.pause();
  }

  pause(): void {
    this.#audio.pause();
  }

  seek(seconds: number): void {
    this.#until = undefined;
    this.#go(seconds);
  }

  /** range plays a stretch once. */
  range(from: number, to: number): void {
    this.#go(from);
    this.#until = to;
    this.#play();
  }

  close(): void {
    this.#end.abort();
    cancelAnimationFrame(this.#frame);
    this.#ticks.clear();
    this.#audio.onerror = null;
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
    if (this.#blob) URL.revokeObjectURL(this.#blob);
  }

  #go(seconds: number): void {
    const to = Math.min(Math.max(0, seconds), this.duration || Infinity);
    if (this.#audio.readyState === 0) this.#wanted = to;
    else this.#audio.currentTime = to;
    this.#tick();
  }

  #play(): void {
    this.#audio.play().catch((e: unknown) => {
      if (e instanceof DOMException && e.name === "AbortError") return; // it was paused meanwhile
      this.playing = false;
    });
  }

  #run(): void {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      if (this.#until !== undefined && this.#audio.currentTime >= this.#until) {
        this.#until = undefined;
        this.#audio.pause();
      }
      this.#tick();
      if (!this.#audio.paused) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #tick(): void {
    const now = this.now();
    if (Math.floor(now) !== this.shown) this.shown = Math.floor(now);
    for (const call of this.#ticks) call(now);
  }

  // failed asks the daemon to decode what the browser cannot. A browser says the same where the daemon does not answer, or knows it no more.
  async #failed(): Promise<void> {
    this.playing = false;
    if (this.#blob) return void (this.problem = true);
    this.loading = true;
    const { signal } = this.#end;
    try {
      const there = await fetch(this.#address(), { method: "HEAD", signal });
      if (!there.ok || this.#audio.error?.code === MediaError.MEDIA_ERR_NETWORK) this.away = true;
      else if (this.duration > decodable) this.problem = true;
      else {
        const answer = await fetch(this.#address("?as=wav"), { signal });
        if (!answer.ok) this.problem = true;
        else this.#audio.src = this.#blob = URL.createObjectURL(await answer.blob());
      }
    } catch {
      this.away = !signal.aborted;
    }
    this.loading = false;
  }
}
