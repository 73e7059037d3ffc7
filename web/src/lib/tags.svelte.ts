// All tags with the number of recordings that have each, the most used first.
import { type Schema, ask, client } from "../api/client";
import { events } from "../live/events.svelte";
import { reading } from "./reading";

const settle = 500; // ms: several changes are read once

class Tags {
  all = $state.raw<Schema["TagCount"][]>([]);

  /** watch keeps the list as it is while somebody looks: $effect(() => tags.watch()). */
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout>;
    const read = () => void this.#read(); // where it fails, the next event asks again
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(read, settle);
    };
    read();
    const leave = [events.on(["recording.updated", "recording.deleted", "recording.restored", "recording.finished", "upload.finished", "purged"], later), events.onReset(read)];
    return () => {
      clearTimeout(timer);
      for (const one of leave) one();
    };
  }

  #read = reading(
    () => ask(client.GET("/api/v1/tags")),
    ({ data }) => (this.all = data ?? []),
  );
}

export const tags = new Tags();
