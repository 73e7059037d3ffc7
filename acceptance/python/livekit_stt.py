"""LiveKit's agents: openai.STT for a file, and for speech with a pause."""
import asyncio

import aiohttp
from check import HTTP, KEY, check, end, pcm, said, want
from livekit import rtc
from livekit.agents import stt as agents_stt
from livekit.agents.utils import http_context
from livekit.plugins import openai

SOUND = pcm()


def frame(data):
    return rtc.AudioFrame(data=data, sample_rate=24000, num_channels=1, samples_per_channel=len(data) // 2)


async def file():
    service = openai.STT(base_url=f"{HTTP}/v1", api_key="any", model="whisper-1", use_realtime=False)
    event = await service.recognize([frame(SOUND)])
    said(event.alternatives[0].text)


async def stream():
    http_context._new_session_ctx()
    async with aiohttp.ClientSession():
        service = openai.STT(base_url=f"{HTTP}/v1", api_key=KEY, model="gpt-4o-transcribe", use_realtime=True)
        sound, text = service.stream(), ""

        async def read():
            nonlocal text
            async for event in sound:
                if event.type == agents_stt.SpeechEventType.FINAL_TRANSCRIPT:
                    text += " " + event.alternatives[0].text

        reading = asyncio.create_task(read())
        for at in range(0, len(SOUND), 4800):
            sound.push_frame(frame(SOUND[at : at + 4800]))
            await asyncio.sleep(0.005)
        for _ in range(20):
            sound.push_frame(frame(bytes(4800)))
        for _ in range(300):
            if "for your country" in text.lower() or reading.done():
                break
            await asyncio.sleep(0.1)
        await sound.aclose()
        reading.cancel()
        want("country" in text.lower(), "the text is", text)


check("a file", file)
check("a stream of speech with a pause", stream)
end()
