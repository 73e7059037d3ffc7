package rig

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/espeak"
)

// The clips are spoken as their references say, and scout-bench transcribe can read them.
func TestRepetitionsAreMade(t *testing.T) { // not parallel: eSpeak NG has one state for the process
	takes, err := Repetitions(8)
	if errors.Is(err, espeak.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := WriteClips(t.Context(), dir, takes); err != nil {
		t.Fatal(err)
	}
	entries, err := bench.ReadManifest(dir)
	if err != nil || len(entries) != len(takes) {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		clip, err := (Reader{}).Read(t.Context(), dir+"/"+e.File, 0)
		if err != nil {
			t.Fatal(err)
		}
		words := len(strings.Fields(e.Reference))
		if length := time.Duration(len(clip)) * time.Second / 16000; length < time.Duration(words)*150*time.Millisecond {
			t.Errorf("%d: %d words in %s", i, words, length)
		}
	}
}

func TestSomethingIsSaidAgain(t *testing.T) {
	t.Parallel()
	const sentence = "The cat sat on the old mat."
	var got []string
	for i := range 8 {
		got = append(got, withRepetition(sentence, i))
	}
	want := []string{
		sentence, " The, The, The, cat sat on the old mat.", "The cat sat on the old mat, on the old mat.", sentence + " " + sentence,
		sentence, "The cat, cat, cat, cat, sat on the old mat.", "The cat sat on the old mat, on the old mat.", sentence + " " + sentence,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// The longest words are cut out, and stay in their order.
func TestWordsAreCutOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sound := make([]float32, 10*16000)
	if err := writeWAV(filepath.Join(dir, "clip.wav"), len(sound), func(emit func([]float32) error) error { return emit(sound) }); err != nil {
		t.Fatal(err)
	}
	const list = "file\tstart_s\tend_s\tword\nclip.wav\t0.0\t0.5\tzero\nclip.wav\t1.0\t1.3\tone\nclip.wav\t2.0\t3.1\ttoolong\n" +
		"clip.wav\t4.0\t4.25\tfour\nclip.wav\t5.0\t5.9\tfive\nclip.wav\t7.0\t7.2\tshort\nclip.wav\t8.0\t8.9\thmm\n"
	if err := os.WriteFile(filepath.Join(dir, wordTimesName), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int][]string{1: {"five"}, 2: {"zero", "five"}, 3: {"zero", "one", "five"}, 30: {"zero", "one", "four", "five"}} {
		takes, err := (Reader{}).Words(t.Context(), dir, n)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range takes {
			got = append(got, takes[i].Reference)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d words: %q, want %q", n, got, want)
		}
	}
}
