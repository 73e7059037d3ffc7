package rig

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
)

// judge compares what came with what was played.
func (c *conversation) judge(ctx context.Context, take *Take) (*bench.LiveTake, error) {
	recorded, err := c.newest(ctx)
	if err != nil {
		return nil, err
	}
	samples, err := c.Reader.Read(ctx, recorded.Path, 0)
	if err != nil {
		return nil, err
	}
	source := Samples(samples)
	single, err := c.Single.Transcribe(ctx, &source, c.Options)
	if err != nil {
		return nil, err
	}
	stopAt := c.stopped.Sub(recorded.Started) // on the recording's clock
	result := &bench.LiveTake{
		Group: take.Group, Moment: take.Moment, Audio: take.StopAt, FirstPartial: -1, Text: c.final.event.Text,
		StopToText: c.final.at.Sub(c.stopped), Told: c.said.Len() > 0 || len(c.final.event.Warnings) > 0,
	}
	at, found := find(take.Said(), samples, 3*time.Second)
	if found {
		c.delays = append(c.delays, recorded.Started.Add(at).Sub(c.mark))
		result.Missed = stopAt - at - take.StopAt
	}
	if take.FirstWord > 0 && (!found || at < -findExact) { // on a busy machine the sound has holes
		result.FirstUnrecorded = !holds(take.Samples[:min(len(take.Samples), frames(take.FirstWord))], samples)
	}
	heard := Take{StopAt: stopAt, FirstWord: -1}
	for i := range single.Segments {
		if words := single.Segments[i].Words; len(words) > 0 && words[0].End != nil {
			heard.FirstWord = *words[0].End
			break
		}
	}
	if err := c.judgeSecond(ctx, take, result, recorded.Path); err != nil {
		return nil, err
	}
	through := c.replay(&heard, result, recorded.Started)
	result.Committed = len(strings.Fields(result.Text))
	if take.Reference != "" {
		result.Judge(take.Reference, single.Text())
		result.FirstMissing, result.FirstSingle = !begins(take.Reference, result.Text), !begins(take.Reference, single.Text())
	}
	length := time.Duration(len(samples)) * time.Second / scout.EngineSampleRateHz
	result.Tail = max(0, length-through)
	return result, c.bare(ctx, samples, result)
}

// judgeSecond judges what the second pass made of a dictation, and has joined clips transcribed as a file too.
func (c *conversation) judgeSecond(ctx context.Context, take *Take, result *bench.LiveTake, recorded string) error {
	if c.second == nil {
		return nil
	}
	s := &bench.LiveSecond{Outcome: c.second.event.Second.Outcome, StopToText: c.second.at.Sub(c.stopped), Text: c.second.event.Text}
	if s.Outcome != secondCame {
		s.Text = result.Text
	}
	result.Second = s
	said := bench.Words(cmp.Or(take.Truth, take.Reference))
	if len(said) == 0 {
		return nil
	}
	first, edits := bench.CountEdits(said, bench.Words(result.Text)), bench.CountEdits(said, bench.Words(s.Text))
	s.First, s.Edits = &first, &edits
	if !bench.Long(take.Group) {
		return nil
	}
	single, err := c.output(ctx, "transcribe", recorded, "--effort", "normal", "--language", c.Language)
	if err != nil {
		return err
	}
	alone := bench.CountEdits(said, bench.Words(string(single)))
	s.Single = &alone
	return nil
}

// bare decodes the audio that was not committed at the stop once.
func (c *conversation) bare(ctx context.Context, samples []float32, result *bench.LiveTake) error {
	from := len(samples) - int(int64(result.Tail)*scout.EngineSampleRateHz/int64(time.Second))
	if from >= len(samples) || result.Tail > bareLongest {
		return nil
	}
	began := time.Now()
	_, err := c.Bare.Transcribe(ctx, engine.Request{Samples: samples[max(0, from):], Class: schedule.Dictation, Words: true, Language: c.Options.Language})
	result.Bare = time.Since(began)
	return err
}

// replay shows the events to a view, and returns up to where the text was complete at the stop. Words are committed on
// the clock of the recording.
func (c *conversation) replay(heard *Take, result *bench.LiveTake, started time.Time) (through time.Duration) {
	now := time.Duration(0)
	v := &view{take: heard, result: result, now: func() time.Duration { return now }}
	for _, a := range c.arrivals {
		now = a.at.Sub(started)
		switch e := a.event; e.Type {
		case eventCommitted:
			v.committed(speech.LiveCommitted{Text: e.Text, Words: e.words()})
			if now < heard.StopAt {
				through = max(through, seconds(e.End))
			}
		case eventPartial:
			v.partial(speech.LivePartial{Text: e.Text, Words: make([]scout.Word, len(strings.Fields(e.Text)))})
		}
	}
	// What was committed must be in the text in the end, also if the client was killed.
	final := strings.Fields(result.Text)
	for i, word := range strings.Fields(v.text) {
		if i >= len(final) || final[i] != word {
			result.Changed++
		}
	}
	return through
}

// begins reports whether the first word that was said is among the first two of a text.
func begins(said, text string) bool {
	want, got := bench.Words(said), bench.Words(text)
	for _, word := range got[:min(2, len(got))] {
		if len(want) > 0 && word == want[0] {
			return true
		}
	}
	return len(want) == 0
}
