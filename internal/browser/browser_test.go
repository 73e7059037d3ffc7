package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/browser/browsertest"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech/speechtest"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	rate       = speechtest.RateHz
	wordFrames = speechtest.WordFrames
)

func soundOf(from, to int) []byte { return speechtest.Sound(from, to) }

func script(words int) string { return speechtest.Script(0, words) }

// studio is a machine with daemons, one after the other.
type studio struct {
	*testing.T
	options  browser.Options
	folder   *recording.Folder
	store    *sqlite.Store
	history  *history.History
	borrow   func() error // why no model can be borrowed; nil for one that can
	promises *browsertest.Promises
	registry prom.Registry
	reserve  atomic.Int64 // that must stay free

	*browser.Sessions
	dictations *dictate.Dictations
	end        func() // of the process
}

func newStudio(t *testing.T, change ...func(*studio)) *studio {
	t.Helper()
	dir := t.TempDir()
	folder, err := recording.OpenBrowser(filepath.Join(dir, "browser"))
	if err != nil {
		t.Fatal(err)
	}
	db := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	s := &studio{T: t, store: db, promises: &browsertest.Promises{}}
	s.options = browser.Options{
		Promises: s.promises, See: func(ctx context.Context, id string) error { return s.history.See(ctx, id) },
		Note:   func(ctx context.Context, kind, id string, data any) { s.history.Note(ctx, kind, id, data) },
		Budget: freespace.NewBudget(dir, func() int64 { return s.reserve.Load() }), MostAudio: time.Hour, Resume: time.Minute, Most: 4, MostPerClient: 2,
		SyncEvery: 10 * time.Millisecond,
	}
	s.moved(folder)
	for _, c := range change {
		c(s)
	}
	t.Cleanup(func() {
		s.end()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.begin()
	return s
}

// moved has the recordings in a folder.
func (s *studio) moved(folder *recording.Folder) {
	s.folder, s.options.Folder = folder, folder
	s.history = history.New(observe.Scope{}, s.store, ondisk.Folders{{Folder: folder, Source: store.SourceBrowser}})
}

// begin begins a process.
func (s *studio) begin() {
	s.registry = prom.NewRegistry()
	scope := observe.NewScope(nil, s.registry, nil)
	o := s.options
	o.Scope, o.Failures = scope, observe.NewFailures(scope)
	sessions := browser.New(o)
	nowhere, err := recording.OpenFolder(s.TempDir())
	if err != nil {
		s.Fatal(err)
	}
	d := dictate.New(dictate.Options{
		Scope: scope, Failures: o.Failures, Recorder: browsertest.Recorder{Nowhere: nowhere}, Sent: sessions, Store: s.store, See: s.history.See, Language: "en",
		Borrow: func(context.Context, string, string) (dictate.Recognizer, func(), error) {
			if s.borrow != nil {
				if err := s.borrow(); err != nil {
					return dictate.Recognizer{}, nil, err
				}
			}
			return dictate.Recognizer{Model: "a", Engine: speechtest.Model{}, Language: func(string) (string, error) { return "en", nil }}, func() {}, nil
		},
	})
	d.Open(s.Context())
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- d.Run(ctx) }()           // ended by end
	go func() { ended <- sessions.Run(ctx, d) }() // as above
	s.Sessions, s.dictations, s.end = sessions, d, sync.OnceFunc(func() {
		cancel(errors.New("the process ends"))
		for range 2 {
			if err := <-ended; err != nil {
				s.Error(err)
			}
		}
	})
}

// again replaces the process.
func (s *studio) again() { s.end(); s.begin() }

// order is for sound at a rate, of one channel.
func order(rateHz int) browser.Order {
	return browser.Order{Format: scout.Format{SampleRateHz: rateHz, Channels: 1, Sample: scout.SampleF32}}
}

func (s *studio) start(o browser.Order) *browser.Connection {
	s.Helper()
	c, err := s.Start(s.Context(), o)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *studio) resumes(id recording.ID) *browser.Connection {
	s.Helper()
	c, err := s.Resume(s.Context(), id, func(string) bool { return true })
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// write sends the frames from one position to another.
func (s *studio) write(c *browser.Connection, from, to int) {
	s.Helper()
	if err := c.Write(uint64(from), soundOf(from, to)); err != nil {
		s.Fatal(err)
	}
}

// synced waits until so many frames are acknowledged.
func (s *studio) synced(c *browser.Connection, frames int) {
	s.Helper()
	for c.Safe() < uint64(frames) {
		select {
		case <-c.Acked():
		case <-c.Gone():
			s.Fatalf("%d of %d frames are acknowledged: %v", c.Safe(), frames, c.Err())
		case <-s.Context().Done():
			s.Fatalf("%d of %d frames are acknowledged", c.Safe(), frames)
		}
	}
}

// finished waits for the end of a session.
func (s *studio) finished(c *browser.Connection) recording.Manifest {
	s.Helper()
	m, err := c.Ended()
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// events are those of a session from its beginning to the last one.
func (s *studio) events(id recording.ID) (all []event.Event) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	for stored, err := range store.Follow(ctx, s.store, store.LiveStream(string(id)), 0) {
		if err != nil {
			s.Fatalf("%v after %d events", err, len(all))
		}
		var e event.Event
		if err := json.Unmarshal(stored.Data, &e); err != nil {
			s.Fatal(err)
		}
		all = append(all, e)
	}
	if ctx.Err() != nil {
		s.Fatalf("the text is not complete: %+v", all)
	}
	return all
}

// text is the text that a session has in the end.
func (s *studio) text(id recording.ID) string {
	s.Helper()
	for _, e := range s.events(id) {
		if e.Type == event.Final || e.Type == event.Revised {
			if e.Complete == nil || !*e.Complete {
				s.Errorf("%+v is not complete", e)
			}
			return e.Text
		}
	}
	s.Fatal("there is no text")
	return ""
}

// Whatever happens to the connections and to the daemon, the text has every word that was acknowledged, once and in order.
func TestEveryAcknowledgedWordIsInTheText(t *testing.T) {
	t.Parallel()
	const frames = 20 * wordFrames
	for situation, send := range map[string]func(s *studio, c *browser.Connection) *browser.Connection{
		"nothing happens": func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, frames)
			return c
		},
		"it comes a little at a time": func(s *studio, c *browser.Connection) *browser.Connection {
			for at := 0; at < frames; at += 1000 {
				s.write(c, at, min(at+1000, frames))
			}
			return c
		},
		"frames come twice": func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, frames/2)
			s.write(c, 0, frames/4)
			s.write(c, frames/4, frames)
			return c
		},
		"the connection breaks": func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, frames/2)
			c.Close()
			c = s.resumes(c.ID())
			s.write(c, int(c.Safe()), frames)
			return c
		},
		"the client comes back before the end of its connection is noticed": func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, frames/2)
			again := s.resumes(c.ID())
			if err := c.Write(frames/2, soundOf(frames/2, frames)); scout.CodeOf(err) != scout.CodeConflict {
				s.Errorf("the old connection gets %v", err)
			}
			s.write(again, int(again.Safe()), frames)
			return again
		},
		"the daemon ends": func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, frames/2)
			s.synced(c, frames/2)
			s.again()
			c = s.resumes(c.ID())
			if c.Safe() < frames/2 {
				s.Errorf("%d frames are left of %d", c.Safe(), frames/2)
			}
			s.write(c, int(c.Safe()), frames)
			return c
		},
		"the stop comes before the last frames": func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, frames/2)
			if err := c.Stop(frames); err != nil {
				s.Fatal(err)
			}
			s.write(c, frames/2, frames)
			return c
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			c := send(s, s.start(order(rate)))
			if err := c.Stop(frames); err != nil {
				t.Fatal(err)
			}
			m := s.finished(c)
			if m.Frames != frames || len(m.Gaps) != 0 || m.EndReason != recording.EndStopped || m.State != recording.StateFinished {
				t.Errorf("%+v", m)
			}
			if got := s.text(c.ID()); got != script(frames/wordFrames) {
				t.Errorf("text %q", got)
			}
			if _, err := s.folder.Verify(c.ID()); err != nil {
				t.Error(err)
			}
			if left := s.promises.Of(c.ID()); left != "ended" {
				t.Errorf("the promise of its text: %s", left)
			}
		})
	}
}
