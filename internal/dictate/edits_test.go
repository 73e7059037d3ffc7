package dictate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// Whatever a person does with a text while its second pass goes on, and whenever it is published, or the process is replaced: what the
// person chose last is the text, and what they wrote is kept. SCOUT_EDITS says how many dictations, SCOUT_EDITS_FROM the number of the
// first one, which decides everything that is left to chance but the clock.
func TestAnEditIsNeverLost(t *testing.T) {
	t.Parallel()
	times, from := 12, 0
	for name, into := range map[string]*int{"SCOUT_EDITS": &times, "SCOUT_EDITS_FROM": &from} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			*into = n
		}
	}
	s := newStudio(t)
	s.model.sure = -1
	orders := map[string]int{}
	for n := from; n < from+times && !t.Failed(); n++ {
		orders[(&meddling{studio: s, n: n, rng: rand.New(rand.NewPCG(1, uint64(n)))}).run()]++
	}
	if t.Failed() {
		return
	}
	t.Logf("edits: %d dictations, %d published before the person did anything, %d after, %d not at all; lost 0", times, orders[beforePerson], orders[afterPerson], orders[notAtAll])
}

// When the second pass is published.
const (
	beforePerson = "before"
	afterPerson  = "after"
	notAtAll     = "never"
)

// meddling is a dictation with whose text a person does something.
type meddling struct {
	*studio
	n   int
	rng *rand.Rand
	key store.Key

	chosen string         // the text that the person wants; empty as long as none was chosen
	wrote  map[int]string // what the person wrote, by version
	first  int            // the version that was current when the person began
	did    []string
}

// run dictates, and returns when the second pass was published.
func (m *meddling) run() string {
	m.Helper()
	goOn := make(chan struct{})
	m.accurate = (&better{fault: func(ctx context.Context) error {
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}).lend
	pauses := [3]time.Duration{}
	for i := range pauses {
		pauses[i] = time.Duration(m.rng.IntN(4000)) * time.Microsecond
	}
	restarts, deeds := m.rng.IntN(4) == 0, m.rng.IntN(4)+1
	id := m.start()
	m.key, m.wrote = store.MainKey(string(id)), map[int]string{}
	m.until(id, is(event.Listening))
	m.say(secondWords)
	m.stop(id)
	m.until(id, is(event.Final))
	var work sync.WaitGroup
	work.Go(func() {
		time.Sleep(pauses[0]) //nolint:forbidigo // another order
		close(goOn)
	})
	work.Go(func() {
		time.Sleep(pauses[1]) //nolint:forbidigo // another order
		for range deeds {
			m.meddle(id)
		}
	})
	if restarts {
		time.Sleep(pauses[2]) //nolint:forbidigo // another order
		m.again()
	}
	work.Wait()
	if restarts {
		m.did = append(m.did, "the process was replaced")
	}
	return m.judge(id, m.until(id, is(event.Done)))
}

// meddle does one thing with the text.
func (m *meddling) meddle(id recording.ID) {
	what := []string{"edit", "edit", "undo", "delete", "delete text", "transcribe again"}[m.rng.IntN(6)]
	words := fmt.Sprintf("mine %d", m.rng.IntN(1000))
	for {
		current, err := m.store.Transcript(m.Context(), m.key, 0)
		if err != nil {
			m.Errorf("dictation %d: %v", m.n, err)
			return
		}
		if m.first == 0 {
			m.first = current.Version.Version
		}
		if m.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(m.rng.IntN(1000)) * time.Microsecond) //nolint:forbidigo // another version may come meanwhile
		}
		var chosen store.Transcript
		err = m.store.Update(m.Context(), func(tx store.Tx) (err error) {
			switch what {
			case "edit":
				chosen, err = tx.Edit(store.EditRequest{Key: m.key, Edits: []store.Edit{{Segment: 0, Text: words}}, IfVersion: current.Version.Version})
			case "undo":
				chosen, err = tx.RestoreVersion(m.key, max(1, current.Version.Version-1), "")
			case "delete":
				_, err = tx.Delete(string(id))
			case "delete text":
				_, err = tx.DeleteTranscript(m.key)
			case "transcribe again":
				again := scout.Transcript{Model: "c", Segments: []scout.Segment{{Text: "as transcribed again", End: time.Second}}}
				_, err = tx.PutTranscript(store.Put{Key: m.key, Kind: store.KindRetranscribed, Transcript: again})
			}
			return err
		})
		if scout.CodeOf(err) == scout.CodePreconditionFailed {
			continue // the client reads it again
		}
		if err == nil {
			err = m.restore(id, what)
		}
		if err != nil {
			m.Errorf("dictation %d: %s: %v", m.n, what, err)
			return
		}
		if chosen.Version.Version > 0 {
			m.chosen = chosen.Text()
			m.wrote[chosen.Version.Version] = chosen.Text()
		}
		m.did = append(m.did, what)
		return
	}
}

// restore takes what was deleted out of the trash.
func (m *meddling) restore(id recording.ID, deleted string) error {
	if deleted != "delete" && deleted != "delete text" {
		return nil
	}
	time.Sleep(time.Duration(m.rng.IntN(1000)) * time.Microsecond) //nolint:forbidigo // the second pass may come meanwhile
	return m.store.Update(m.Context(), func(tx store.Tx) (err error) {
		if deleted == "delete" {
			_, err = tx.Restore(string(id))
		} else {
			_, err = tx.RestoreTranscript(m.key)
		}
		return err
	})
}

// judge checks what there is in the end.
func (m *meddling) judge(id recording.ID, all []event.Event) string {
	m.Helper()
	fail := func(format string, args ...any) {
		m.Helper()
		m.Errorf("dictation %d (%v): %s", m.n, m.did, fmt.Sprintf(format, args...))
	}
	now, err := m.store.Transcript(m.Context(), m.key, 0)
	if err != nil || !now.DeletedAt.IsZero() {
		fail("%v, deleted %v", err, now.DeletedAt)
	}
	if m.chosen != "" && now.Text() != m.chosen {
		fail("the text is %q of kind %s, and %q was chosen", now.Text(), now.Kind, m.chosen)
	}
	for version, text := range m.wrote {
		if kept, err := m.store.Transcript(m.Context(), m.key, version); err != nil || kept.Text() != text {
			fail("version %d is %q, %v; the person wrote %q", version, kept.Text(), err, text)
		}
	}
	versions, err := m.store.Versions(m.Context(), m.key)
	if err != nil {
		fail("versions: %v", err)
	}
	var second []store.Version
	for _, v := range versions {
		if _, restored := m.wrote[v.Version]; v.Kind == store.KindSecondPass && !restored {
			second = append(second, v)
		}
	}
	revised := ofType(all, event.Revised)
	if finals := ofType(all, event.Final); len(finals) != 1 || len(revised) != len(second) || len(second) > 1 || finals[0].Text != script(secondWords) {
		fail("%d finals, %d revised, %d versions of the second pass of %s", len(finals), len(revised), len(second), id)
	}
	if first := slices.IndexFunc(versions, func(v store.Version) bool { return v.Version == 1 && v.Kind == store.KindFirst }); first < 0 {
		fail("the first text is gone: %+v", versions)
	}
	switch {
	case len(second) == 0:
		return notAtAll
	case second[0].Version <= m.first:
		return beforePerson
	}
	return afterPerson
}
