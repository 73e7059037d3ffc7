// The microphone of this browser, as it is: without what a call would do to its sound.
import { Problem } from "../api/client";
import { Flow } from "./flow";
import { words } from "../words";
import worklet from "./frames.worklet?worker&url";

const stillAfter = 2000; // ms without sound
const flushWithin = 200; // ms, for what the worklet still has

/** Microphone is open until it is closed. */
export interface Microphone {
  rate: number;
  /** labels say which microphone it is and what the browser does to its sound, for the recording. */
  labels: Record<string, string>;
  /** close stops it; when it is done, hear was called with the last sound. */
  close(): Promise<void>;
}

/** Heard is told of each block of sound, and of the end of the device, if that comes before close: it is gone, or the browser may not use it any more. */
interface Heard {
  hear(samples: Int16Array<ArrayBuffer>): void;
  lost(why: "unplugged" | "withdrawn"): void;
  /** still says that no sound has come for a while (true), or that it comes again. */
  still?(no: boolean): void;
  /** missing says that there was no sound for so many ms, for example because the computer slept. */
  missing?(ms: number): void;
}

// withdrawn is true where the browser says that the page may not use the microphone.
async function withdrawn(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: "microphone" as PermissionName })).state !== "granted";
  } catch {
    return false; // a browser that tells nothing of it
  }
}

const refusals: Record<string, string> = { NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy" };

/** open opens a microphone; device is the one of enumerateDevices, empty for the usual one. It throws a Problem. */
export async function open(device: string, { hear, lost, still, missing }: Heard): Promise<Microphone> {
  if (!navigator.mediaDevices) throw new Problem("device_unavailable", words.now.problems.insecure);
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1, ...(device ? { deviceId: { exact: device } } : {}) },
    });
  } catch (e) {
    const why = refusals[(e as DOMException).name] ?? "busy";
    throw new Problem("device_unavailable", words.now.problems[why as "denied" | "none" | "busy"]);
  }
  const [track] = stream.getAudioTracks();
  let context: AudioContext | undefined;
  try {
    context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(worklet);
    await context.resume();
  } catch (e) {
    for (const one of stream.getTracks()) one.stop();
    await context?.close();
    throw e;
  }
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "frames", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  let flushed: () => void = () => undefined;
  const flow = new Flow(context.sampleRate);
  let heard = performance.now();
  let silent = false;
  const flows = (yes: boolean) => {
    if (silent !== yes) return;
    silent = !yes;
    still?.(silent);
  };
  node.port.onmessage = ({ data }) => {
    if (!data) return flushed();
    heard = performance.now();
    flows(true);
    hear(data as Int16Array<ArrayBuffer>);
    const ms = flow.heard((data as Int16Array).length, Date.now());
    if (ms > 0) missing?.(ms);
  };
  source.connect(node);
  // A browser may stop the sound: for a call, for another program, in the background. It is asked for it again.
  const watch = setInterval(() => {
    if (performance.now() - heard < stillAfter) return;
    flows(false);
    if (context.state !== "running") void context.resume().catch(() => undefined);
  }, stillAfter / 2);
  if (track) track.onended = async () => lost((await withdrawn()) ? "withdrawn" : "unplugged");
  const did = (track?.getSettings() ?? {}) as MediaTrackSettings;
  const applied = (value: unknown) => (value === undefined ? "unknown" : value === false ? "off" : "on");
  return {
    rate: context.sampleRate,
    labels: {
      microphone: track?.label ?? "",
      echo_cancellation: applied(did.echoCancellation),
      noise_suppression: applied(did.noiseSuppression),
      auto_gain_control: applied(did.autoGainControl),
    },
    async close() {
      clearInterval(watch);
      if (track) track.onended = null;
      await new Promise<void>((done) => {
        flushed = done;
        node.port.postMessage(null);
        setTimeout(done, flushWithin);
      });
      source.disconnect();
      for (const one of stream.getTracks()) one.stop();
      await context.close();
    },
  };
}
