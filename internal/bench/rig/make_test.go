package rig

import (
	"errors"
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
