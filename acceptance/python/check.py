"""What the programs share: one line for each check, as acceptance/run.mjs reads them, and where Scout is."""
import array
import asyncio
import inspect
import os
import sys
import wave

HTTP, HTTPS, KEY, CLIP = (os.environ[n] for n in ("SCOUT_HTTP", "SCOUT_HTTPS", "SCOUT_KEY", "SCOUT_CLIP"))
FORMATS = os.environ.get("SCOUT_FORMATS", "").split()
failed = 0


def check(name, run):
    """Runs one check, and goes on whatever comes of it."""
    global failed
    try:
        if inspect.iscoroutinefunction(run):
            asyncio.run(asyncio.wait_for(run(), 120))
        else:
            run()
        print(f"ok - {name}", flush=True)
    except BaseException as error:  # noqa: BLE001
        failed += 1
        text = " ".join(str(error).split())[:300]
        print(f"not ok - {name}: {type(error).__name__}: {text}", flush=True)


def end():
    """Ends the program."""
    sys.stdout.flush()
    os._exit(1 if failed else 0)


def want(truth, *about):
    """Fails unless something is true."""
    if not truth:
        raise AssertionError(" ".join(str(a) for a in about) or "it is not so")


def said(text):
    """Fails unless a text is what is said in the clip, as far as a small model hears it."""
    want("ask not what your country" in " ".join((text or "").lower().split()), "the text is", repr(text))


def refused(run, kind):
    """Fails unless a call raises such an error, which it returns."""
    try:
        run()
    except kind as error:
        return error
    raise AssertionError("it was not refused")


def pcm(rate=24000):
    """The sound of the clip as PCM of 16 bits at that rate: samples in between lie on the line between their neighbours."""
    with wave.open(CLIP) as w:
        source, at = array.array("h", w.readframes(w.getnframes())), w.getframerate()
    out = array.array("h")
    for i in range(int(len(source) * rate / at)):
        x = i * at / rate
        k = int(x)
        following = source[min(k + 1, len(source) - 1)]
        out.append(int(source[k] + (x - k) * (following - source[k])))
    return out.tobytes()
