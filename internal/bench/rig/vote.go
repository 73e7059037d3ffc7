package rig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// Voter has clips transcribed by two models, and keeps what they said in files: decoding costs minutes, learning a second.
type Voter struct {
	Reader Reader
	// Batch transcribes with Accurate; Options say how, with the vote and without Watch.
	Batch    *speech.Batch
	Options  speech.Options
	Accurate *CountedEngine
	Fast     *CountedEngine
	// Folder is where clips are kept, empty for nowhere, and Key what their texts depend on besides the audio.
	Folder, Key string
}

// CountedEngine measures the processor time of requests, which come one at a time.
type CountedEngine struct {
	Engine *engine.Engine

	text, scores time.Duration
}

// Transcribe passes the request on.
func (c *CountedEngine) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	pid := c.Engine.State().PID
	before, errBefore := bench.ProcessorTime(pid)
	h, err := c.Engine.Transcribe(ctx, request)
	after, errAfter := bench.ProcessorTime(pid)
	if errBefore == nil && errAfter == nil && pid != 0 && pid == c.Engine.State().PID { // the first one starts the process
		if request.Score != nil {
			c.scores += after - before
		} else {
			c.text += after - before
		}
	}
	return h, err //nolint:wrapcheck // it stands for the engine
}

// Clip returns what both models make of a clip.
func (v *Voter) Clip(ctx context.Context, dir string, entry bench.Entry) (clip bench.VoteClip, err error) {
	path := filepath.Join(dir, entry.File)
	kept, err := v.keptAt(path)
	if err != nil {
		return clip, err
	}
	if kept != "" {
		content, err := os.ReadFile(kept)
		if err == nil {
			err = json.Unmarshal(content, &clip)
		}
		switch {
		case err == nil:
			clip.Reference, clip.Language, clip.File = entry.Reference, entry.Language, entry.File
			return clip, nil
		case !errors.Is(err, fs.ErrNotExist):
			return clip, scout.Errorf(scout.CodeReadFailed, "read what is kept of %s: %w", entry.File, err).WithHint("remove %s", kept)
		}
	}
	samples, err := v.Reader.Read(ctx, path, 0)
	if err != nil {
		return clip, err
	}
	clip = bench.VoteClip{File: entry.File, Reference: entry.Reference, Language: entry.Language, Seconds: float64(len(samples)) / scout.EngineSampleRateHz}
	*v.Accurate, *v.Fast = CountedEngine{Engine: v.Accurate.Engine}, CountedEngine{Engine: v.Fast.Engine}
	options := v.Options
	watched := *options.Vote
	watched.Watch = func(d speech.Decoded, b *vote.Ballot) {
		clip.Pieces = append(clip.Pieces, bench.VotePiece{Decoded: d, Ballot: b})
	}
	options.Vote = &watched
	source := Samples(samples)
	if _, err := v.Batch.Transcribe(ctx, &source, options); err != nil {
		return clip, fmt.Errorf("%s: %w", entry.File, err)
	}
	clip.CPU = bench.VoteCPU{
		Accurate: v.Accurate.text.Seconds(), AccurateScores: v.Accurate.scores.Seconds(), Fast: v.Fast.text.Seconds(), FastScores: v.Fast.scores.Seconds(),
	}
	if kept == "" {
		return clip, nil
	}
	content, err := json.Marshal(clip)
	if err != nil {
		return clip, scout.Errorf(scout.CodeInternal, "keep what was said in %s: %w", entry.File, err)
	}
	return clip, atomicfile.Write(kept, content, atomicfile.Options{Unsynced: true})
}

// keptAt returns the file in which a clip is kept; empty for none.
func (v *Voter) keptAt(path string) (string, error) {
	if v.Folder == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "read clip", err)
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s\n", v.Key) // a hash takes everything
	_, _ = sum.Write(content)
	return filepath.Join(v.Folder, hex.EncodeToString(sum.Sum(nil)[:16])+".json"), nil
}
