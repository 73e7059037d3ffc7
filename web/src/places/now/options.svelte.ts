// What a dictation can be made with: microphones of the machine and of this browser, languages, models.
import { type Schema, ask, client } from "../../api/client";
import { reading } from "../../lib/reading";
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
    // A browser names its microphones when it may use them.
    const allowed = navigator.permissions?.query({ name: "microphone" as PermissionName }).catch(() => undefined); // not every browser tells
    void allowed?.then((permission) => permission?.addEventListener("change", browser));
    const leave = [events.on(["model", "job.queued", "job.dead", "job.cancelled"], (e) => (e.type.startsWith("model") || (e.data as { kind?: string } | undefined)?.kind === "model_pull") && models()), events.onReset(models), events.follow("device", machine)];
    return () => {
      navigator.mediaDevices?.removeEventListener("devicechange", browser);
      void allowed?.then((permission) => permission?.removeEventListener("change", browser));
      for (const one of leave) one();
    };
  }

  #models = reading(
    () => ask(client.GET("/api/v1/models")),
    ({ data }) => {
      this.all = data;
      this.read = true;
    }, // where it fails, the next event asks again
  );

  #machine = reading(
    () => ask(client.GET("/api/v1/devices")),
    ({ data }) => {
      // What plays on the computer is no microphone, unless it was made the usual one.
      this.machine = data.filter((one) => !one.monitor || one.default);
      this.missing = this.machine.length === 0 ? words.now.connect : undefined;
    },
    (e) => {
      this.machine = [];
      this.missing = /^(no_device$|device_|sound_server_)/.test(e.code) ? sentences(e.message, e.hint) : undefined; // of anything else nobody knows
    },
  );

  async #browser(): Promise<void> {
    const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    // Before the browser may use a microphone they have no names.
    this.browser = found.filter((one) => one.kind === "audioinput" && one.label && one.deviceId !== "default" && one.deviceId !== "communications");
  }
}

export const options = new Options();
