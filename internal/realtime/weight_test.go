package realtime_test

import (
	"strings"
	"testing"
	"time"
)

// TestWaitingItemsAreWeighed has items wait that have texts of their own, also where the client clears its sound in between.
func TestWaitingItemsAreWeighed(t *testing.T) {
	t.Parallel()
	const size, items = 15 << 10, 20
	for situation, c := range map[string]struct {
		own, clears bool
		least, most int
	}{
		"one text for all":               {false, false, size, 2 * size},
		"a text for each":                {true, false, items * size, 2 * items * size},
		"a text for each, after a clear": {true, true, items * size, 2 * items * size},
	} {
		w := quiet(t)
		for i := range items {
			if i == 0 || c.own {
				w.say(`{"type":"session.update","session":{"audio":{"input":{"transcription":{"prompt":"` + strings.Repeat("p", size-1) + string(rune('a'+i)) + `"}}}}}`)
			}
			if c.clears {
				w.speak(time.Second, false)
				w.say(`{"type":"input_audio_buffer.clear"}`)
			}
			w.speak(time.Second, false)
			w.say(commitMessage)
		}
		if n, bytes, _ := w.machine.Waiting(); n != items || bytes < c.least || bytes > c.most {
			t.Errorf("%s: %d items weigh %d bytes", situation, n, bytes)
		}
		w.hearAll()
		if n, bytes, _ := w.machine.Waiting(); n != 0 || bytes != 0 {
			t.Errorf("%s: %d items are left, and weigh %d bytes", situation, n, bytes)
		}
	}
}
