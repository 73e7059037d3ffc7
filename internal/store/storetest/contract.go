// Package storetest holds the tests that each implementation of store.Store must pass. It is for tests only.
package storetest

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Factory opens an empty store with that clock, and closes it when the test ends.
type Factory func(t *testing.T, now func() time.Time) store.Store

// Clock is a clock that a test sets.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Set changes the time.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// epoch is the time at which the tests begin.
func epoch() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC) }

// bench is what a test works with.
type bench struct {
	*testing.T
	store.Store
	clock *Clock
}

// Run runs all tests against the stores of the factory.
func Run(t *testing.T, open Factory) {
	groups := []map[string]func(*bench){recordings(), transcripts(), lists(), searches(), journals(), sessions(), answers(), accessKeys(), webhooks(), retentions()}
	for _, group := range groups {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				clock := &Clock{at: epoch()}
				test(&bench{t, open(t, clock.Now), clock})
			})
		}
	}
}

// ID returns the id of the n-th recording of a test; ids sort by n.
func ID(n int) string {
	return fmt.Sprintf("20261124T0800%02d%03dZ-%012x", n/1000%60, n%1000, n)
}

// Recording returns the n-th recording of a test, which began n seconds after the others' beginning.
func Recording(n int) store.Recording {
	start := epoch().Add(time.Duration(n) * time.Second)
	return store.Recording{
		ID: ID(n), Source: store.SourceMicrophone, State: "finished", Device: "Built-in", StartedAt: start, EndedAt: start.Add(10 * time.Second),
		Duration: 10 * time.Second, Bytes: 320_000, Fingerprint: fmt.Sprint("f", n), Manifest: json.RawMessage(`{"id":"` + ID(n) + `"}`),
	}
}

// Text returns a transcript of segments of one second each, with words that have times.
func Text(segments ...string) scout.Transcript {
	text := scout.Transcript{Model: "moonshine-tiny-en", Language: "en", Duration: time.Duration(len(segments)) * time.Second}
	for i, s := range segments {
		at := time.Duration(i) * time.Second
		segment := scout.Segment{Start: at, End: at + time.Second, Text: s, AvgLogProb: pointer(-0.25)}
		for j, word := range fields(s) {
			start := at + time.Duration(j)*50*time.Millisecond
			segment.Words = append(segment.Words, scout.Word{Text: word, Start: &start, End: pointer(start + 40*time.Millisecond), LogProb: pointer(-0.5)})
		}
		text.Segments = append(text.Segments, segment)
	}
	return text
}

func pointer[T any](v T) *T { return &v }

// update runs one transaction that must succeed.
func (b *bench) update(change func(store.Tx) error) {
	b.Helper()
	if err := b.Update(b.Context(), change); err != nil {
		b.Fatalf("update: %v", err)
	}
}

// put adds the n-th recording with a text.
func (b *bench) put(n int, segments ...string) store.Key {
	b.Helper()
	b.add(Recording(n), segments...)
	return store.MainKey(ID(n))
}

func (b *bench) add(r store.Recording, segments ...string) {
	b.Helper()
	b.update(func(tx store.Tx) error {
		if _, err := tx.PutRecording(r); err != nil || len(segments) == 0 {
			return err
		}
		_, err := tx.PutTranscript(store.Put{Key: store.MainKey(r.ID), Kind: store.KindFirst, Transcript: Text(segments...)})
		return err
	})
}

func (b *bench) transcript(key store.Key, version int) store.Transcript {
	b.Helper()
	found, err := b.Transcript(b.Context(), key, version)
	if err != nil {
		b.Fatalf("transcript %s, version %d: %v", key, version, err)
	}
	return found
}

func (b *bench) text(key store.Key) string {
	b.Helper()
	found := b.transcript(key, 0)
	return found.Text()
}

func (b *bench) edit(key store.Key, edits ...store.Edit) store.Transcript {
	b.Helper()
	var changed store.Transcript
	b.update(func(tx store.Tx) (err error) {
		changed, err = tx.Edit(store.EditRequest{Key: key, Edits: edits})
		return err
	})
	return changed
}

// fails runs a transaction that must fail with that code.
func (b *bench) fails(code scout.Code, change func(store.Tx) error) {
	b.Helper()
	if err := b.Update(b.Context(), change); scout.CodeOf(err) != code {
		b.Errorf("error %v (%s), want %s", err, scout.CodeOf(err), code)
	}
}

// events returns all events of a stream.
func (b *bench) events(stream string) []store.Event {
	b.Helper()
	replay, err := b.Events(b.Context(), stream, 0, 10_000)
	if err != nil {
		b.Fatalf("events of %s: %v", stream, err)
	}
	return replay.Events
}
