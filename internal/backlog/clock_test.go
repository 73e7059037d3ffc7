package backlog_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/recording"
)

// A clock that is set between a promise and a text, or between an earlier text and a promise, makes no text twice and loses none.
func TestAClockThatIsSet(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	keep := func(d *desk, id recording.ID, text string) {
		d.Helper()
		_, _, err := d.history.Keep(d.Context(), history.Text{Recording: string(id), Transcript: scout.Transcript{Segments: []scout.Segment{{Text: text, End: time.Second}}}})
		if err != nil {
			d.Fatal(err)
		}
	}
	for situation, c := range map[string]struct {
		before, after time.Duration // how wrong the clock is before and after the promise
		earlier       bool          // there is a text before the promise
		later         bool          // somebody else makes one after it
		want          []string
	}{
		"set back, and somebody else made the text":     {0, -year, false, true, []string{"another"}},
		"set ahead, and somebody else made the text":    {0, year, false, true, []string{"another"}},
		"set right, and somebody else made the text":    {year, 0, false, true, []string{"another"}},
		"set back, and there is an earlier text":        {0, -year, true, false, []string{"earlier", "hello"}},
		"set right, and the earlier text is of then":    {year, 0, true, false, []string{"earlier", "hello"}},
		"set ahead, and there is an earlier text":       {0, year, true, false, []string{"earlier", "hello"}},
		"an earlier text, and a later by somebody else": {year, -year, true, true, []string{"earlier", "another"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.record()
			d.wrong.Store(int64(c.before))
			if c.earlier {
				keep(d, id, "earlier")
				d.wrong.Store(0) // the promise itself is written by the right clock
			}
			d.promised(id)
			d.wrong.Store(int64(c.after))
			if c.later {
				keep(d, id, "another")
			}
			d.start().until(id, backlog.Done)
			d.wantTexts(id, c.want...)
			d.wantPromises(0)
		})
	}
}
