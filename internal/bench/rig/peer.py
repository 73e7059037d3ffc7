"""Transcribes with faster-whisper what scout-bench sends, and says how much processor time that took.

Arguments: the folder of the model, the size of the beam. Standard input, for each clip: a line of JSON with "samples" and "language"
(null to find it out), then the samples, float32, 16 kHz, little-endian. Standard output: a line that names the versions, then a line for
each clip, all JSON. Ends with its input.
"""
import json
import os
import sys
import tempfile
import time

import ctranslate2
import faster_whisper
import numpy


def complete(folder, to):
    """Returns a folder with the vocabulary as CTranslate2 reads it. Scout's models have it in tokenizer.json alone."""
    if any(os.path.exists(os.path.join(folder, "vocabulary." + form)) for form in ("json", "txt")):
        return folder
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    tokens = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    tokens.update((added["id"], added["content"]) for added in tokenizer["added_tokens"])
    times = 1 + next(number for number, token in tokens.items() if token == "<|notimestamps|>")
    for step in range(1501):  # 0 to 30 s; some files leave them out
        tokens.setdefault(times + step, "<|%.2f|>" % (step * 0.02))
    for name in os.listdir(folder):
        os.symlink(os.path.join(os.path.abspath(folder), name), os.path.join(to, name))
    with open(os.path.join(to, "vocabulary.json"), "w", encoding="utf-8") as file:
        json.dump([tokens[number] for number in range(len(tokens))], file)
    return to


with tempfile.TemporaryDirectory() as made:
    model = faster_whisper.WhisperModel(complete(sys.argv[1], made), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
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
