package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// keeping passes texts on to another sink, and keeps complete ones in the history.
type keeping struct {
	transcribe.Sink
	app    *app
	inputs []transcribe.Input
}

// Finish writes the text and then keeps it. If that fails, the text is written nevertheless, and the input counts as
// failed.
func (k keeping) Finish(ctx context.Context, i int, doc text.Document) error {
	if err := k.Sink.Finish(ctx, i, doc); err != nil {
		return err
	}
	return k.app.keepText(ctx, &k.inputs[i], &doc.Transcript)
}

// keepText puts a text into the history, through the daemon. If the input is a recording, the text belongs to it;
// otherwise it has the name of the file.
func (a *app) keepText(ctx context.Context, in *transcribe.Input, t *scout.Transcript) error {
	c, err := a.connect(ctx)
	if err != nil {
		return notKept(err)
	}
	defer c.Close()
	keep := v1.Keep{Transcript: v1.FromTranscript(t)}
	if id, ours := a.recordingAt(in.Path); ours && a.sameRecordings(ctx, c) == nil {
		keep.Recording = string(id)
	} else if keep.Title = filepath.Base(in.Name()); in.Name() == "" {
		keep.Title = "standard input"
	}
	if err := c.PostOnce(ctx, "/transcripts", keep, &v1.TranscriptSummary{}); err != nil {
		return notKept(err)
	}
	a.tellRetention()
	return nil
}

func notKept(err error) error {
	return scout.Errorf(scout.CodeOf(err), "the text was written and is not in the history: %w", err).WithHint("%s", scout.HintOf(err))
}

// recordingAt reports whether a file is the audio of a recording in the folder, and of which.
func (a *app) recordingAt(path string) (recording.ID, bool) {
	dir, err := a.recordingsDir()
	if err != nil || path == "" {
		return "", false
	}
	own, err := os.Stat(dir)
	if err != nil {
		return "", false
	}
	in, err := os.Stat(filepath.Dir(path))
	name := filepath.Base(path)
	id := recording.ID(name[:len(name)-len(filepath.Ext(name))])
	return id, err == nil && os.SameFile(own, in) && filepath.Ext(name) == ".wav" && id.Valid()
}

// sortedNames returns the names of labels in order.
func sortedNames(labels map[string]string) []string { return slices.Sorted(maps.Keys(labels)) }
