package rig

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

// TestFind looks for a sound in recordings of it: later, cut at the beginning, quiet, in noise, and not at all.
func TestFind(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	sound := make([]float32, 3*scout.EngineSampleRateHz)
	level := 0.0
	for i := range sound { // low frequencies, as in speech
		level = 0.95*level + 0.05*rng.NormFloat64()
		sound[i] = float32(level)
	}
	played := func(at time.Duration, factor, noise float64) []float32 {
		out := make([]float32, 5*scout.EngineSampleRateHz)
		for i, v := range sound {
			if k := i + frames(at); k >= 0 && k < len(out) {
				out[k] = v * float32(factor)
			}
		}
		for i := range out {
			out[i] += float32(noise * rng.NormFloat64())
		}
		return out
	}
	for situation, c := range map[string]struct {
		recording []float32
		want      time.Duration
		found     bool
	}{
		"at the beginning":       {played(0, 1, 0), 0, true},
		"later":                  {played(437*time.Millisecond, 1, 0), 437 * time.Millisecond, true},
		"before the recording":   {played(-300*time.Millisecond, 1, 0), -300 * time.Millisecond, true},
		"quiet and in noise":     {played(200*time.Millisecond, 0.01, 0.001), 200 * time.Millisecond, true},
		"something else":         {played(9*time.Second, 0, 0.1), 0, false},
		"an empty recording":     {nil, 0, false},
		"silence":                {make([]float32, scout.EngineSampleRateHz), 0, false},
		"shorter than the sound": {played(100*time.Millisecond, 1, 0)[:2*scout.EngineSampleRateHz], 100 * time.Millisecond, true},
	} {
		whole := c.found && c.want >= 0
		if got := holds(sound[:frames(300*time.Millisecond)], c.recording); got != whole {
			t.Errorf("%s: the recording holds the beginning of the sound: %v", situation, got)
		}
		got, found := find(sound, c.recording, time.Second)
		if found != c.found || found && (got-c.want).Abs() > time.Millisecond {
			t.Errorf("%s: %v, %v; want %v, %v", situation, got, found, c.want, c.found)
		}
	}
}

// TestKillings lists what is killed in a dictation of a minute.
func TestKillings(t *testing.T) {
	t.Parallel()
	c := &conversation{Booth: &Booth{}}
	list := c.killings(&Kills{Engine: 20 * time.Second, Daemon: 25 * time.Second, Client: 45 * time.Second}, time.Minute)
	var at []time.Duration
	clients := 0
	for _, k := range list {
		at = append(at, k.after)
		if k.client {
			clients++
		}
	}
	if len(at) != 4 || at[0] != 20*time.Second || at[1] != 25*time.Second || at[2] != 40*time.Second || at[3] != 45*time.Second || clients != 1 {
		t.Errorf("%v, %d clients", at, clients)
	}
	if len(c.killings(nil, time.Minute)) != 0 {
		t.Error("something is killed without an order")
	}
}

// TestLevels checks quiet speech and the room that it is in.
func TestLevels(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	speech := make([]float32, 2*scout.EngineSampleRateHz)
	for i := range speech[:scout.EngineSampleRateHz] { // the rest is silent and must not count
		speech[i] = float32(0.1 * rng.NormFloat64())
	}
	var sum float64
	for _, v := range atLevel(speech, -40)[:scout.EngineSampleRateHz] {
		sum += float64(v) * float64(v)
	}
	if db := 10 * math.Log10(sum/scout.EngineSampleRateHz); math.Abs(db+40) > 0.1 {
		t.Errorf("%v dB", db)
	}
	if takes := QuietTakes(speech, "x"); len(takes) != 3 || takes[2].Group != bench.PrefixQuiet+"speech at -66 dBFS" || takes[0].StopAt <= 2*time.Second {
		t.Errorf("%d takes", len(takes))
	}
	for _, take := range SoundTakes(time.Second) {
		if len(take.Samples) != 2*scout.EngineSampleRateHz || take.Reference != "" {
			t.Errorf("%s: %d samples", take.Group, len(take.Samples))
		}
	}
}

// TestEnds says which event is the last text of a dictation.
func TestEnds(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		event spokenEvent
		want  bool
	}{
		"a complete text":          {spokenEvent{Type: eventFinal, Complete: true, Version: 1}, true},
		"audio is set aside":       {spokenEvent{Type: eventFinal, Version: 1}, true},
		"more follows":             {spokenEvent{Type: eventFinal}, false},
		"what followed":            {spokenEvent{Type: eventRevised, Version: 1}, true},
		"committed words":          {spokenEvent{Type: eventCommitted, Complete: true}, false},
		"a text from the database": {spokenEvent{Type: eventFinal, Version: 2}, true},
	} {
		if got := c.event.ends(); got != c.want {
			t.Errorf("%s: %v", situation, got)
		}
	}
}
