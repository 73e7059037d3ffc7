"""OpenAI's library for Python: files, streams, models, errors; and with version 3 a transcription session."""
import base64
import ssl

import openai
from check import CLIP, FORMATS, HTTP, HTTPS, KEY, check, end, pcm, refused, said, want

VERSION = int(openai.__version__.split(".")[0])
client = openai.OpenAI(base_url=f"{HTTP}/v1", api_key="any", max_retries=0)


def ask(**options):
    with open(options.pop("path", CLIP), "rb") as sound:
        return client.audio.transcriptions.create(**({"file": sound, "model": "whisper-1"} | options))


def verbose():
    got = ask(response_format="verbose_json", timestamp_granularities=["word", "segment"], model="moonshine-tiny-en")
    said(got.text)
    want(got.language == "english" and abs(float(got.duration) - 11) < 0.1, got.language, got.duration)
    want(len(got.words) > 15 and len(got.segments) > 0, got.words, got.segments)


def streamed():
    deltas, done = "", None
    for event in ask(stream=True, model="gpt-4o-transcribe", include=["logprobs"]):
        if event.type == "transcript.text.delta":
            deltas += event.delta
        if event.type == "transcript.text.done":
            done = event
    said(done.text)
    want(deltas == done.text, deltas, done.text)


def over_tls():
    secure = openai.OpenAI(base_url=f"{HTTPS}/v1", api_key=KEY, max_retries=0)  # $SSL_CERT_FILE has the CA
    want(any(m.id == "whisper-1" for m in secure.models.list()))


def raw():
    got = client.audio.transcriptions.with_raw_response.create(file=open(CLIP, "rb"), model="whisper-1")
    want(got.headers["x-request-id"] and got.headers["x-scout-model"], dict(got.headers))


async def asynchronous():
    other = openai.AsyncOpenAI(base_url=f"{HTTP}/v1", api_key="any")
    with open(CLIP, "rb") as sound:
        said((await other.audio.transcriptions.create(file=sound, model="whisper-1")).text)


check("json", lambda: said(ask().text))
check("text", lambda: said(ask(response_format="text")))
check("srt", lambda: want(ask(response_format="srt").startswith("1\n00:00:0")))
check("vtt", lambda: want(ask(response_format="vtt").startswith("WEBVTT\n\n")))
check("verbose_json with words", verbose)
check("a tuple with a name", lambda: said(ask(file=("a.bin", open(CLIP, "rb").read(), "application/octet-stream")).text))
check("language, prompt, temperature", lambda: said(ask(language="en", prompt="country", temperature=0.0).text))
check("raw response", raw)
check("async", asynchronous)
check("over TLS", over_tls)
for path in FORMATS:
    check(f"format {path.rsplit('.', 1)[-1]}", lambda path=path: said(ask(path=path).text))
if VERSION >= 2:
    check("stream", streamed)
    check("include", lambda: said(ask(include=["logprobs"], model="gpt-4o-transcribe").text))
check("error: unknown model", lambda: want(refused(lambda: ask(model="gpt-9"), openai.NotFoundError).code == "model_not_found"))
check("error: not audio", lambda: want(refused(lambda: ask(file=("a.wav", b"hello, this is no sound")), openai.BadRequestError).param == "file"))
check("error: response_format", lambda: want(refused(lambda: ask(response_format="xml"), openai.BadRequestError).param == "response_format"))
check("error: a wrong key", lambda: refused(lambda: openai.OpenAI(base_url=f"{HTTP}/v1", api_key="sk-scout-wrong").models.list(), openai.AuthenticationError))
check("error: a bad name of a language", lambda: want(refused(lambda: ask(language="klingon!"), openai.BadRequestError).code == "invalid_language_format"))


def session(base, options):
    sound = pcm()
    other = openai.OpenAI(base_url=f"{base}/v1", api_key=KEY)
    with other.realtime.connect(extra_query={"intent": "transcription"}, websocket_connection_options=options) as connection:
        want(connection.recv().type == "session.created")
        connection.session.update(session={"type": "transcription", "audio": {"input": {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe", "language": "en"}}}})
        want(connection.recv().type == "session.updated")
        for at in range(0, len(sound), 4800):
            connection.input_audio_buffer.append(audio=base64.b64encode(sound[at : at + 4800]).decode())
        connection.input_audio_buffer.commit()
        for event in connection:
            want(event.type != "error", event)
            if event.type == "conversation.item.input_audio_transcription.completed":
                said(event.transcript)
                return


if VERSION >= 3:
    check("realtime, plain", lambda: session(HTTP, {}))
    check("realtime, TLS", lambda: session(HTTPS, {"ssl": ssl.create_default_context()}))
end()
