"""Pipecat: OpenAISTTService for a segment, OpenAIRealtimeSTTService with commits of its own and with the server's turns."""
import asyncio

from check import CLIP, HTTP, KEY, check, end, pcm, said, want
from pipecat.frames.frames import ErrorFrame, InputAudioRawFrame, TranscriptionFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService


class Collect(FrameProcessor):
    def __init__(self):
        super().__init__()
        self.text, self.errors, self.heard = "", [], asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            self.errors.append(frame.error)
            self.heard.set()
        if isinstance(frame, TranscriptionFrame):
            self.text += " " + frame.text
            if "do for your country" in self.text.lower():
                self.heard.set()
        await self.push_frame(frame, direction)


async def segment():
    service = OpenAISTTService(api_key="any", base_url=f"{HTTP}/v1", settings=OpenAISTTService.Settings(model="whisper-1"))
    with open(CLIP, "rb") as sound:
        got = await service._transcribe(sound.read())
    said(got.text)


async def realtime(turns):
    sound, collect = pcm(16000), Collect()
    service = OpenAIRealtimeSTTService(
        api_key=KEY, base_url=HTTP.replace("http:", "ws:") + "/v1/realtime", settings=OpenAIRealtimeSTTService.Settings(model="gpt-4o-transcribe"),
        turn_detection={"type": "server_vad"} if turns else False,
    )
    task = PipelineTask(Pipeline([service, collect]), params=PipelineParams(audio_in_sample_rate=16000))

    async def speak():
        await asyncio.sleep(1)
        if not turns:
            await task.queue_frame(VADUserStartedSpeakingFrame())
        for at in range(0, len(sound), 3200):
            await task.queue_frame(InputAudioRawFrame(audio=sound[at : at + 3200], sample_rate=16000, num_channels=1))
            await asyncio.sleep(0.005)
        for _ in range(20):
            await task.queue_frame(InputAudioRawFrame(audio=bytes(3200), sample_rate=16000, num_channels=1))
        if not turns:
            await task.queue_frame(VADUserStoppedSpeakingFrame())
        try:
            await asyncio.wait_for(collect.heard.wait(), 60)
        finally:
            await task.cancel()

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), speak(), return_exceptions=True)
    want(not collect.errors, collect.errors)
    want("what your country can do for you" in " ".join(collect.text.lower().replace(".", "").split()), "the text is", repr(collect.text))


check("a segment", segment)


async def own():
    await realtime(False)


async def servers():
    await realtime(True)


check("realtime, own commits", own)
check("realtime, the server's turns", servers)
end()
