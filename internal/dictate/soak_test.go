package dictate_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech/speechtest"
	"github.com/scout-speech/scout/internal/store"
)

// TestSoakDictation dictates for as long as SCOUT_SOAK_DICTATION says ("3h") on a simulated clock, without a pause. The heap, with the
// journal's part of it, grows only by the words of the text, and every word is in the text once.
func TestSoakDictation(t *testing.T) { // not parallel: it measures the heap
	length, err := time.ParseDuration(os.Getenv("SCOUT_SOAK_DICTATION"))
	if err != nil {
		t.Skip("SCOUT_SOAK_DICTATION says for how long, for example 3h")
	}
	const (
		look     = 10 * time.Minute
		perWord  = 150     // bytes that a word of the text may take; it takes 85
		allowed  = 2 << 20 // bytes
		speaking = 100 * time.Millisecond
	)
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t)
		s.model.Lap = lapWords
		began := time.Now()
		id := s.start()
		var first, last uint64
		var words int
		for said := time.Duration(0); said < length; said += speaking {
			time.Sleep(speaking)
			s.hear(speaking)
			if (said+speaking)%look != 0 {
				continue
			}
			synctest.Wait()
			var mem runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&mem)
			if last = mem.HeapAlloc; first == 0 {
				first, words = last, int((said+speaking)/(wordFrames*time.Second/rate))
			}
			t.Logf("%8s: %.1f MB in use, %.1f MB from the system, %d words said", said+speaking, float64(last)/1e6, float64(mem.Sys)/1e6, s.said/wordFrames)
		}
		s.stop(id)
		all := s.wordsOf(id)
		for k, text := range all {
			if want := speechtest.Word(k % lapWords); text != want {
				t.Fatalf("word %d is %s, want %s", k, text, want)
			}
		}
		if want := s.said / wordFrames; len(all) < want-1 || len(all) > want {
			t.Errorf("%d words of %d", len(all), want)
		}
		if bound := first + uint64(max(len(all)-words, 0))*perWord + allowed; last > bound {
			t.Errorf("the heap grew from %d to %d kB while %d words came, want at most %d kB", first>>10, last>>10, len(all)-words, bound>>10)
		}
		t.Logf("%d words in %s of speech", len(all), time.Since(began).Round(time.Second))
	})
}

// lapWords is after how many words the sound begins again: it has no more positions.
const lapWords = 300

// hear records so much more of what is said, lap after lap.
func (s *studio) hear(length time.Duration) {
	s.Helper()
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	w := s.recorder.writer
	frames := int(length * rate / time.Second)
	block := make([]byte, 0, 4*frames)
	for n := range frames {
		block = binary.LittleEndian.AppendUint32(block, math.Float32bits(speechtest.SampleAt((s.said+n)%(lapWords*wordFrames))))
	}
	if _, err := w.Write(block); err != nil {
		s.Fatal(err)
	}
	s.said += frames
}

// wordsOf follows a dictation to its end and returns the committed words.
func (s *studio) wordsOf(id recording.ID) (words []string) {
	s.Helper()
	for stored, err := range store.Follow(s.Context(), s.store, store.LiveStream(string(id)), 0) {
		if err != nil {
			s.Fatal(err)
		}
		var e event.Event
		if err := json.Unmarshal(stored.Data, &e); err != nil {
			s.Fatal(err)
		}
		for _, word := range e.Words {
			words = append(words, word.Text)
		}
		if e.State == event.Done {
			return words
		}
	}
	s.Fatal("the stream has ended")
	return nil
}
