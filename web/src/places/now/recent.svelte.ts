// The newest recordings.
import { type Schema, ask, client } from "../../api/client";
import { reading } from "../../lib/reading";
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

  #read = reading(
    () => ask(client.GET("/api/v1/recordings", { params: { query: { limit: many } } })),
    ({ data }) => {
      this.all = data.filter((one) => one.state !== "recording");
      this.loaded = true;
    }, // where it fails, the next event asks again
  );
}

export const recent = new Recent();
