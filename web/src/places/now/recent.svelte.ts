// The newest recordings.
import { type Schema, ask, client, Problem } from "../../api/client";
import { scout } from "../../lib/scout.svelte";
import { events } from "../../live/events.svelte";

const many = 5;
const settle = 200; // ms: a dictation that ends causes several events

class Recent {
  all = $state.raw<Schema["RecordingInfo"][]>([]);
  loaded = $state(false);

  /** watch keeps the list as it is while the place is shown: $effect(() => recent.watch()). */
  watch(): () => void {
    if (scout.who !== "owner") return () => undefined;
    let timer: ReturnType<typeof setTimeout>;
    const read = () => void this.#read();
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(read, settle);
    };
    read();
    const leave = [events.on(["recording", "transcript"], later), events.onReset(read)];
    return () => {
      clearTimeout(timer);
      for (const one of leave) one();
    };
  }

  async #read(): Promise<void> {
    try {
      const page = await ask(client.GET("/api/v1/recordings", { params: { query: { limit: many } } }));
      this.all = page.data.filter((one) => one.state !== "recording");
      this.loaded = true;
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // the next event asks again
    }
  }
}

export const recent = new Recent();
