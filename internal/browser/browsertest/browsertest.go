// Package browsertest is shared by tests of sound that clients send: sound whose words tell their positions, and a model that understands it.
package browsertest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
)

// RateHz is the sample rate of the sound, and WordFrames the length of one word.
const (
	RateHz     = scout.EngineSampleRateHz
	WordFrames = RateHz * 2 / 5
)

const (
	scale = 1 << 24
	loud  = 0.25 // of syllables; above every position
)

// sampleAt is what is heard at a position: its level rises and falls like that of speech, and tells the position.
func sampleAt(n int) float32 {
	level := float64(n) / scale
	if n%(RateHz/4) >= RateHz/25 {
		level += loud
	}
	if bits.OnesCount64(uint64(n)*0x9E3779B97F4A7C15)%2 == 0 {
		level = -level
	}
	return float32(level)
}

func positionOf(sample float32) int {
	level := math.Abs(float64(sample))
	if level >= loud {
		level -= loud
	}
	return int(math.Round(level * scale))
}

// Sound is the sound from one position to another, as f32.
func Sound(from, to int) []byte {
	block := make([]byte, 0, 4*(to-from))
	for n := from; n < to; n++ {
		block = binary.LittleEndian.AppendUint32(block, math.Float32bits(sampleAt(n)))
	}
	return block
}

// Script is what is said in the words from one to another.
func Script(from, to int) string {
	said := make([]string, 0, to-from)
	for k := from; k < to; k++ {
		said = append(said, fmt.Sprintf("w%dx", k))
	}
	return strings.Join(said, " ")
}

// Model understands Sound: all words that it hears to the end, and none in silence.
type Model struct{}

// Load implements dictate.Engine.
func (Model) Load(context.Context) (engine.Facts, error) { return engine.Facts{}, nil }

// Transcribe implements dictate.Engine.
func (Model) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	h := &scout.Hypothesis{Stop: scout.StopEnd}
	var words []string
	for at := 0; at < len(request.Samples); { // stretches of sound, with silence between them
		if request.Samples[at] == 0 {
			at++
			continue
		}
		end := at
		for end < len(request.Samples) && request.Samples[end] != 0 {
			end++
		}
		from := positionOf(request.Samples[at]) - at // the first sample of all is silent, and belongs to the first word
		for k := (from + at + WordFrames - 2) / WordFrames; (k+1)*WordFrames <= from+end; k++ {
			start := time.Duration(k*WordFrames-from) * time.Second / RateHz
			stop := start + WordFrames*time.Second/RateHz
			words = append(words, fmt.Sprintf("w%dx", k))
			h.Words = append(h.Words, scout.Word{Text: words[len(words)-1], Start: &start, End: &stop})
		}
		at = end
	}
	h.Text = strings.Join(words, " ")
	return h, nil
}

// Recorder records nothing: all sound is sent.
type Recorder struct{ Nowhere *recording.Folder }

// Folder implements dictate.Recorder.
func (r Recorder) Folder() *recording.Folder { return r.Nowhere }

// Status implements dictate.Recorder.
func (Recorder) Status(context.Context) (recording.Status, error) { return recording.Status{}, nil }

// Start implements dictate.Recorder.
func (Recorder) Start(context.Context, recording.Order, func(recording.ID)) (recording.Started, error) {
	return recording.Started{}, errors.New("there is no microphone")
}

// Stop implements dictate.Recorder.
func (Recorder) Stop(context.Context, recording.ID) (record.Stopped, error) {
	return record.Stopped{}, scout.Errorf(scout.CodeNotRecording, "nothing is recorded")
}

// Promises notes what became of promised texts, and makes none.
type Promises struct {
	mu  sync.Mutex
	all map[recording.ID]string
}

func (p *Promises) note(id recording.ID, state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[recording.ID]string)
	}
	p.all[id] = state
}

// Of is what became of the promise for a recording: promised, ended or withdrawn; empty for none.
func (p *Promises) Of(id recording.ID) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id]
}

// Promise implements browser.Promises.
func (p *Promises) Promise(_ context.Context, id recording.ID, _ backlog.Order) error {
	p.note(id, "promised")
	return nil
}

// Ended implements browser.Promises.
func (p *Promises) Ended(id recording.ID) { p.note(id, "ended") }

// Withdraw implements browser.Promises.
func (p *Promises) Withdraw(_ context.Context, id recording.ID) error {
	p.note(id, "withdrawn")
	return nil
}
