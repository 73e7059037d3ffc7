// The microphone of this browser, as it is: without what a call would do to its sound.
import { Problem } from "../api/client";
import { words } from "../words";
import worklet from "./frames.worklet?worker&url";

const flushWithin = 200; // ms, for what the worklet still has

/** Microphone is open until it is closed. */
export interface Microphone {
  rate: number;
  /** labels say which microphone it is and what the browser does to its sound, for the recording. */
  labels: Record<string, string>;
  /** close stops it; when it is done, hear was called with the last sound. */
  close(): Promise<void>;
}

/** Heard is told of each block of sound, and of the end of the device, if that comes before close. */
interface Heard {
  hear(samples: Int16Array<ArrayBuffer>): void;
  lost(): void;
}

const refusals: Record<string, string> = { NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy" };

/** open opens a microphone; device is the one of enumerateDevices, empty for the usual one. It throws a Problem. */
export async function open(device: string, { hear, lost }: Heard): Promise<Microphone> {
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
  const context = new AudioContext({ latencyHint: "interactive" });
  try {
    await context.audioWorklet.addModule(worklet);
    await context.resume();
  } catch (e) {
    for (const one of stream.getTracks()) one.stop();
    await context.close();
    throw e;
  }
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "frames", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  let flushed: () => void = () => undefined;
  node.port.onmessage = ({ data }) => (data ? hear(data as Int16Array<ArrayBuffer>) : flushed());
  source.connect(node);
  if (track) track.onended = lost;
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
