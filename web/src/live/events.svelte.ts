// What happens in the daemon, for this tab: all tabs share one stream.
import { root } from "../api/client";
import { random } from "../lib/random";
import { trusted } from "../lib/trusted";
import { type Event, type FromTab, Hub, type Link, tellEvery, type ToTab } from "./hub";
import worker from "./worker?sharedworker&url";

type Hear = (event: Event) => void;

class Events {
  /** link is how the connection to the daemon is. */
  link = $state<Link>("connecting");

  #hears = new Map<Hear, string[]>();
  #resets = new Set<() => void>();
  #follows = new Map<string, Set<Hear>>();
  #send: (message: FromTab) => void = () => undefined;

  /** start joins the stream of all tabs, or begins it. */
  start(): void {
    const take = (message: ToTab) => this.#take(message);
    let says: (() => void) | undefined; // what this tab has said of itself
    const hello = (lock?: string) => {
      says = () => {
        this.#send({ is: "hello", lock });
        this.#wants();
      };
      says();
    };
    const alone = () => (this.#send = new Hub(root).join({ postMessage: take }));
    if ("SharedWorker" in window) {
      const shared = new SharedWorker(trusted(worker), { type: "module", name: root });
      // Its script did not come: this tab has a stream of its own.
      shared.onerror = () => {
        alone();
        says?.();
      };
      shared.port.onmessage = ({ data }) => take(data as ToTab);
      this.#send = (message) => shared.port.postMessage(message);
    } else alone();
    const lock = `scout-tab-${random()}`;
    if ("locks" in navigator) void navigator.locks.request(lock, () => (hello(lock), new Promise<never>(() => undefined)));
    else {
      hello(); // by plain http from another machine there are no locks
      setInterval(() => this.#wants(), tellEvery);
    }
    addEventListener("pagehide", (e) => !e.persisted && this.#send({ is: "bye" }));
    addEventListener("online", () => this.again());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.again());
  }

  /** again tries to connect now. */
  again(): void {
    this.#send({ is: "again" });
  }

  /** anew begins the stream again, because this browser is somebody else to the daemon now. */
  anew(): void {
    this.#send({ is: "anew" });
  }

  /** on calls back for events whose type is one of types, or begins with one of them and a dot. It returns how to stop. */
  on(types: string[], hear: Hear): () => void {
    this.#hears.set(hear, types);
    return () => this.#hears.delete(hear);
  }

  /**
   * onReset calls back when events may have been missed: whatever was read before must be read again. That is so whenever the stream begins, too: what happened
   * between a question and the stream is in neither, and what was asked for while the daemon was away had no answer. It returns how to stop.
   */
  onReset(call: () => void): () => void {
    this.#resets.add(call);
    return () => this.#resets.delete(call);
  }

  /**
   * follow calls back for the events of one thing: live:ID, job:ID or level:DEVICE; or device, for microphones that come and go. A dictation
   * begins anew after a broken connection, and its seq says what is known already. It returns how to stop.
   */
  follow(topic: string, hear: Hear): () => void {
    const all = this.#follows.get(topic) ?? new Set<Hear>();
    this.#follows.set(topic, all.add(hear));
    this.#wants(/^(live|job):/.test(topic) ? topic : undefined);
    return () => {
      all.delete(hear);
      if (all.size === 0) this.#follows.delete(topic);
      this.#wants();
    };
  }

  #wants(began?: string): void {
    this.#send({ is: "topics", topics: [...this.#follows.keys()], began });
  }

  #take(message: ToTab): void {
    switch (message.is) {
      case "link": {
        const begins = message.link === "online" && this.link !== "online";
        this.link = message.link;
        if (begins) this.#reset();
        break;
      }
      case "reset":
        this.#reset();
        break;
      case "event":
        this.#deliver(message.event);
    }
  }

  #reset(): void {
    for (const call of [...this.#resets]) call();
  }

  #deliver(event: Event): void {
    const topic = event.topic ?? (event.type.startsWith("device.") ? "device" : undefined);
    if (topic !== undefined) for (const hear of this.#follows.get(topic) ?? []) hear(event);
    if (event.topic !== undefined) return;
    for (const [hear, types] of this.#hears) if (types.some((type) => event.type === type || event.type.startsWith(`${type}.`))) hear(event);
  }
}

export const events = new Events();
