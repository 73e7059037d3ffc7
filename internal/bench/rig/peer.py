"""Transcribes with faster-whisper what scout-bench sends, and says how much processor time that took.

Arguments: the folder of the model, the size of the beam. Standard input, for each clip: a line of JSON with "samples" and "language"
(null to find it out), then the samples, float32, 16 kHz, little-endian. Standard output: a line that names the versions, then a line for
each clip, all JSON. Ends with its input.
"""
import json
import sys
import time

import ctranslate2
import faster_whisper
import numpy

model = faster_whisper.WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
beam = int(sys.argv[2])


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


say({"version": "faster-whisper %s, CTranslate2 %s" % (faster_whisper.__version__, ctranslate2.__version__)})
source = sys.stdin.buffer
while True:
    line = source.readline()
    if not line:
        break
    request = json.loads(line)
    samples = numpy.frombuffer(source.read(4 * request["samples"]), dtype="<f4")
    began = time.process_time()
    try:
        segments, info = model.transcribe(samples, beam_size=beam, language=request["language"])
        text = "".join(segment.text for segment in segments)
        say({"text": text, "language": info.language, "cpu_seconds": time.process_time() - began})
    except Exception as problem:  # one clip, not the run
        say({"error": "%s: %s" % (type(problem).__name__, problem)})
