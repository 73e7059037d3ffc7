// What a dictation can be made with: microphones of the machine and of this browser, languages, models.
import { type Schema, ask, client, Problem } from "../../api/client";
import { scout } from "../../lib/scout.svelte";
import { sentences } from "../../lib/sentences";
import { events } from "../../live/events.svelte";
import { words } from "../../words";

class Options {
  machine = $state.raw<Schema["Device"][]>([]);
  browser = $state.raw<MediaDeviceInfo[]>([]);
  all = $state.raw<Schema["Model"][]>([]);
  /** missing says why the machine has no microphone; undefined where it has one, or nobody knows yet. */
  missing = $state<string | undefined>();
  /** read is true once the models are known. */
  read = $state(false);

  models = $derived(this.all.filter((one) => one.state === "installed"));
  fast = $derived(this.all.find((one) => one.roles.includes("fast")) ?? this.all.find((one) => one.default));
  languages = $derived([...new Set(this.models.flatMap((one) => one.languages))].filter((code) => code !== "auto").sort());

  /** watch keeps the lists as they are while the place is shown: $effect(() => options.watch()). */
  watch(): () => void {
    if (scout.who !== "owner") return () => undefined;
    const models = () => void this.#models();
    const machine = () => void this.#machine();
    const browser = () => void this.#browser();
    models();
    machine();
    browser();
    navigator.mediaDevices?.addEventListener("devicechange", browser);
    const leave = [events.on(["model"], models), events.onReset(models), events.follow("device", machine)];
    return () => {
      navigator.mediaDevices?.removeEventListener("devicechange", browser);
      for (const one of leave) one();
    };
  }

  async #models(): Promise<void> {
    try {
      this.all = (await ask(client.GET("/api/v1/models"))).data;
      this.read = true;
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // the next event asks again
    }
  }

  async #machine(): Promise<void> {
    try {
      // What plays on the computer is no microphone, unless it was made the usual one.
      this.machine = (await ask(client.GET("/api/v1/devices"))).data.filter((one) => !one.monitor || one.default);
      this.missing = this.machine.length === 0 ? words.now.connect : undefined;
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      this.machine = [];
      this.missing = e.code === "offline" || e.status === 401 ? undefined : sentences(e.message, e.hint);
    }
  }

  async #browser(): Promise<void> {
    const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    // Before the browser may use a microphone they have no names.
    this.browser = found.filter((one) => one.kind === "audioinput" && one.label && one.deviceId !== "default" && one.deviceId !== "communications");
  }
}

export const options = new Options();
