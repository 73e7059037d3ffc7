package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/espeak"
)

// GroupRepetitions names takes in which something is said again.
const GroupRepetitions = "repetitions"

// Repetitions returns n sentences, spoken by eSpeak NG. In three of four something is really said again: a word three to six times, the
// last words twice, or all of it twice.
func Repetitions(n int) (takes []Take, err error) {
	s, err := espeak.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	voices := []string{"en-us", "en", "en-us+f2", "en-gb-x-rp", "en-us+m3", "en-us+f4"}
	sentences := espeak.Sentences()
	for i := range n {
		text := withRepetition(sentences[i%len(sentences)], i)
		spoken, err := s.Speak(text, espeak.Voice{Name: voices[i%len(voices)], Rate: 150, Pitch: 50})
		if err != nil {
			return nil, err
		}
		said, err := spokenSamples(spoken)
		if err != nil {
			return nil, err
		}
		takes = append(takes, alone(GroupRepetitions, said, text))
	}
	return takes, nil
}

// withRepetition returns a sentence with the i-th kind of repetition.
func withRepetition(sentence string, i int) string {
	words := strings.Fields(strings.TrimRight(sentence, "."))
	const last = 4
	switch i % 4 {
	case 1:
		at := i / 4 % len(words)
		again := strings.Repeat(words[at]+", ", 3+i/4%4)
		return strings.Join(words[:at], " ") + " " + again + strings.Join(words[at+1:], " ") + "."
	case 2:
		return strings.Join(words, " ") + ", " + strings.Join(words[max(0, len(words)-last):], " ") + "."
	case 3:
		return sentence + " " + sentence
	}
	return sentence
}

// WriteClips makes a folder for scout-bench transcribe: a WAV file for each take, and the manifest.
func WriteClips(ctx context.Context, dir string, takes []Take) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make the folder of clips", err)
	}
	var manifest strings.Builder
	manifest.WriteString("file\treference\n")
	for i := range takes {
		if ctx.Err() != nil {
			return scout.Errorf(scout.CodeCancelled, "make clips: %w", context.Cause(ctx))
		}
		name := fmt.Sprintf("%s-%03d.wav", strings.ReplaceAll(takes[i].Group, " ", "-"), i+1)
		samples := takes[i].Samples[:min(len(takes[i].Samples), frames(takes[i].StopAt))]
		if err := writeWAV(filepath.Join(dir, name), len(samples), func(emit func([]float32) error) error { return emit(samples) }); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "write clip "+name, err)
		}
		fmt.Fprintf(&manifest, "%s\t%s\n", name, takes[i].Reference)
	}
	err := atomicfile.Write(filepath.Join(dir, bench.ManifestName), []byte(manifest.String()), atomicfile.Options{})
	return scout.FileError(scout.CodeWriteFailed, "write the manifest", err)
}
