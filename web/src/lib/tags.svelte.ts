// All tags with the number of recordings that have each, the most used first.
import { type Schema, ask, client, Problem } from "../api/client";
import { events } from "../live/events.svelte";

const settle = 500; // ms: several changes are read once

class Tags {
  all = $state.raw<Schema["TagCount"][]>([]);

  /** watch keeps the list as it is while somebody looks: $effect(() => tags.watch()). */
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout>;
    const read = () => void this.#read();
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

  async #read(): Promise<void> {
    try {
      this.all = (await ask(client.GET("/api/v1/tags"))).data ?? [];
    } catch (e) {
      if (!(e instanceof Problem)) throw e; // the next event asks again
    }
  }
}

export const tags = new Tags();
