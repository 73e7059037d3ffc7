package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// keeping passes texts on to another sink, and keeps complete ones in the history. When the other sink takes no more text, as a pipe
// that nobody reads any more, the work goes on: the texts were asked for twice.
type keeping struct {
	transcribe.Sink
	app     *app
	inputs  []transcribe.Input
	gone    error // why the sink takes no more text; nil while it does
	notKept bool  // of some text
}

// goesOn notes where err says that the sink takes no more text, and reports whether the work goes on without it.
func (k *keeping) goesOn(ctx context.Context, err error) bool {
	if !transcribe.Gone(err) || ctx.Err() != nil {
		return false
	}
	k.gone = err
	return true
}

// Settled implements transcribe.Sink.
func (k *keeping) Settled(ctx context.Context, i int, doc text.Document) error {
	if k.gone != nil {
		return nil //nolint:nilerr // Close returns it
	}
	err := k.Sink.Settled(ctx, i, doc)
	if !k.goesOn(ctx, err) {
		return err
	}
	return nil
}

// Finish writes the text, and keeps it whether that succeeds or not. If either fails, the input counts as failed.
func (k *keeping) Finish(ctx context.Context, i int, doc text.Document) error {
	var err error
	if k.gone == nil {
		if err = k.Sink.Finish(ctx, i, doc); k.goesOn(ctx, err) {
			err = nil
		}
	}
	if ctx.Err() != nil {
		return err
	}
	if keepErr := k.app.keepText(ctx, &k.inputs[i], &doc.Transcript); keepErr != nil {
		k.notKept = true
		what := "the text was written and is not in the history"
		if k.gone != nil || err != nil {
			what = "the text is not in the history either"
		}
		err = errors.Join(err, scout.Errorf(scout.CodeOf(keepErr), "%s: %w", what, keepErr).WithHint("%s", scout.HintOf(keepErr)))
	}
	return err
}

// Abandon implements transcribe.Sink.
func (k *keeping) Abandon(ctx context.Context, i int, doc text.Document) (string, error) {
	if k.gone != nil {
		return "", transcribe.ErrNotTaken
	}
	where, err := k.Sink.Abandon(ctx, i, doc)
	if k.goesOn(ctx, err) {
		return "", transcribe.ErrNotTaken
	}
	return where, err
}

// Close completes the other sink, and returns why it took no more text. That nobody reads any more is no news beside a text that could
// not be kept.
func (k *keeping) Close(ctx context.Context) error {
	err := k.Sink.Close(ctx)
	if k.notKept && cli.BrokenPipe(k.gone) {
		return err
	}
	return errors.Join(k.gone, err)
}

// keepText puts a text into the history, through the daemon. If the input is a recording, the text belongs to it;
// otherwise it has the name of the file.
func (a *app) keepText(ctx context.Context, in *transcribe.Input, t *scout.Transcript) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	keep := v1.Keep{Transcript: v1.FromTranscript(t)}
	if place, ours := a.recordingAt(in.Path); ours && (place.Folder.Source() != recording.SourceMicrophone || a.sameRecordings(ctx, c) == nil) {
		keep.Recording = string(place.ID)
	} else if keep.Title = filepath.Base(in.Name()); in.Name() == "" {
		keep.Title = "standard input"
	}
	if err := c.PostOnce(ctx, "/transcripts", keep, &v1.TranscriptSummary{}); err != nil {
		return err
	}
	a.tellRetention()
	return nil
}

// recordingAt reports whether a file is the audio of a recording, and of which.
func (a *app) recordingAt(path string) (recording.Place, bool) {
	name := filepath.Base(path)
	id := recording.ID(strings.TrimSuffix(name, filepath.Ext(name)))
	if path == "" || !id.Valid() {
		return recording.Place{}, false
	}
	dir, err := a.recordingsDir()
	if err != nil {
		return recording.Place{}, false
	}
	folders, err := recording.FindFolders(dir, a.besides())
	if err != nil {
		return recording.Place{}, false
	}
	in, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return recording.Place{}, false
	}
	for _, folder := range folders {
		own, err := os.Stat(folder.Dir())
		if err == nil && os.SameFile(own, in) && filepath.Base(folder.AudioPath(id)) == name {
			return recording.Place{Folder: folder, ID: id}, true
		}
	}
	return recording.Place{}, false
}

// sortedNames returns the names of labels in order.
func sortedNames(labels map[string]string) []string { return slices.Sorted(maps.Keys(labels)) }
