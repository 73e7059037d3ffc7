package dictate_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
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

// script is what is said in so many words.
func script(words int) string { return speechtest.Script(0, words) }

// model understands what is said.
type model struct {
	speechtest.Model

	sure float64 // log-probability of each word; 0 where it does not tell

	mu    sync.Mutex
	fault func() error // may fail instead; nil for none
}

func (m *model) fail(fault func() error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

func (m *model) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	m.mu.Lock()
	fault := m.fault
	m.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return nil, err
		}
	}
	h, err := m.Model.Transcribe(ctx, request)
	if err == nil && m.sure != 0 {
		for i := range h.Words {
			h.Words[i].LogProb = &m.sure
		}
	}
	return h, err
}

// recorder makes recordings of what is said.
type recorder struct {
	folder *recording.Folder

	mu     sync.Mutex
	writer *recording.Writer // nil while nothing is recorded
	last   recording.Manifest
	starts int
	late   bool          // a start that is called off begins a moment later all the same
	slow   chan struct{} // if set, Stop waits until it is closed
}

func (r *recorder) Folder() *recording.Folder { return r.folder }

func (r *recorder) Status(context.Context) (s recording.Status, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writer != nil {
		s.Recording = &recording.Progress{ID: r.writer.ID()}
	}
	return s, nil
}

func (r *recorder) Start(ctx context.Context, order recording.Order, begins func(recording.ID)) (recording.Started, error) {
	r.mu.Lock()
	late := r.late
	r.mu.Unlock()
	if late {
		<-ctx.Done()
		time.AfterFunc(50*time.Millisecond, func() { _, _ = r.begin(order, begins) }) // the test waits for it
		return recording.Started{}, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return recording.Started{}, context.Cause(ctx)
	}
	return r.begin(order, begins)
}

func (r *recorder) begin(order recording.Order, begins func(recording.ID)) (recording.Started, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writer != nil {
		return recording.Started{}, scout.Errorf(scout.CodeAlreadyRecording, "it records")
	}
	w, err := r.folder.Create(recording.Settings{ID: order.ID, Format: scout.Format{SampleRateHz: rate, Channels: 1, Sample: scout.SampleF32}, StartedAt: time.Now()})
	if err != nil {
		return recording.Started{}, err
	}
	r.writer, r.starts = w, r.starts+1
	if begins != nil {
		begins(w.ID())
	}
	return recording.Started{ID: w.ID(), StartedAt: w.StartedAt(), Format: w.Format()}, nil
}

func (r *recorder) Stop(_ context.Context, id recording.ID) (record.Stopped, error) {
	if r.slow != nil {
		<-r.slow
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writer == nil {
		if r.last.ID == "" || id != "" && id != r.last.ID {
			return record.Stopped{}, scout.Errorf(scout.CodeNotRecording, "nothing is recorded")
		}
		return record.Stopped{Manifest: r.last, Already: true}, nil
	}
	m, err := r.writer.Finish(recording.End{At: time.Now()})
	r.writer, r.last = nil, m
	return record.Stopped{Manifest: m}, err
}

// breakable is a store that can be made to fail.
type breakable struct {
	store.Store

	mu     sync.Mutex
	why    error // nil: it works
	losing bool  // every other answer is lost: what was done is done, and the caller gets an error
	calls  int
}

func (b *breakable) lose(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.losing = on
}

func (b *breakable) fail(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = why
}

func (b *breakable) Update(ctx context.Context, change func(store.Tx) error) error {
	b.mu.Lock()
	b.calls++
	why, lost := b.why, b.losing && b.calls%2 == 0
	b.mu.Unlock()
	if why != nil {
		return why
	}
	err := b.Store.Update(ctx, change)
	if err == nil && lost {
		err = scout.Errorf(scout.CodeStoreLocked, "the answer was lost")
	}
	return err
}

// studio is a machine with a recorder that outlives the processes that dictate.
type studio struct {
	*testing.T
	recorder *recorder
	store    *breakable
	model    *model
	borrow   func() error                     // why no model can be borrowed; nil for one that can
	level    atomic.Int32                     // by how much work is reduced
	moment   atomic.Bool                      // level is 0 again once it was asked for
	accurate func() (dictate.Accurate, error) // the model of second passes; nil for none
	registry prom.Registry
	held     sync.WaitGroup
	said     int // frames

	*dictate.Dictations
	end func() // of the process
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{T: t, model: &model{}}
	dir := t.TempDir()
	folder, err := recording.OpenFolder(filepath.Join(dir, "recordings"))
	if err != nil {
		t.Fatal(err)
	}
	db := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	s.recorder, s.store = &recorder{folder: folder}, &breakable{Store: db}
	t.Cleanup(func() {
		s.end()
		_, _ = s.recorder.Stop(context.Background(), "") // most tests have stopped it
		s.held.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.begin()
	return s
}

// begin begins a process.
func (s *studio) begin() {
	s.registry = prom.NewRegistry()
	scope := observe.NewScope(nil, s.registry, nil)
	d := dictate.New(dictate.Options{
		Scope: scope, Failures: observe.NewFailures(scope), Recorder: s.recorder, Store: s.store,
		See: history.New(observe.Scope{}, s.store, ondisk.Folders{{Folder: s.recorder.folder, Source: store.SourceMicrophone}}).See,
		Borrow: func(context.Context, string, string) (dictate.Recognizer, func(), error) {
			if s.borrow != nil {
				if err := s.borrow(); err != nil {
					return dictate.Recognizer{}, nil, err
				}
			}
			s.held.Add(1)
			return dictate.Recognizer{Model: "a", Engine: s.model, Language: func(string) (string, error) { return "en", nil }}, s.held.Done, nil
		},
		BorrowAccurate: func(context.Context, string, string) (dictate.Accurate, func(), error) {
			if s.accurate == nil {
				return dictate.Accurate{}, nil, dictate.ErrNoSecondPass
			}
			a, err := s.accurate()
			if err != nil {
				return a, nil, err
			}
			s.held.Add(1)
			return a, s.held.Done, nil
		},
		Hold:     func(recording.ID) func() { s.held.Add(1); return sync.OnceFunc(s.held.Done) },
		Language: "en",
		Ease:     func() speech.Ease { return speech.Ease(min(s.level.Load(), int32(speech.EaseToTheStop))) }, Degradation: s.degradation,
	})
	d.Open(s.Context())
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }() // ended by end
	s.Dictations, s.end = d, sync.OnceFunc(func() {
		cancel(errors.New("the process ends"))
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
}

// again replaces the process.
func (s *studio) again() { s.end(); s.begin() }

// start begins a dictation.
func (s *studio) start() recording.ID {
	s.Helper()
	started, err := s.Start(s.Context(), recording.Order{}, dictate.Request{}, nil)
	if err != nil {
		s.Fatal(err)
	}
	return started.ID
}

// degradation is level.
func (s *studio) degradation() int {
	if s.moment.Load() {
		return int(s.level.Swap(0))
	}
	return int(s.level.Load())
}

// say records so many more words.
func (s *studio) say(words float64) {
	s.Helper()
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	w := s.recorder.writer
	from := int(w.Frames())
	s.said = from + int(words*wordFrames)
	if _, err := w.Write(speechtest.Sound(from, s.said)); err != nil {
		s.Fatal(err)
	}
}

func (s *studio) stop(id recording.ID) {
	s.Helper()
	if _, err := s.Stop(s.Context(), id); err != nil {
		s.Fatal(err)
	}
}

// until follows a dictation from its beginning to an event, and checks what holds for every stream: numbers without holes, and a
// final text that is what was committed.
func (s *studio) until(id recording.ID, wanted func(event.Event) bool) (all []event.Event) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	committed := ""
	for stored, err := range store.Follow(ctx, s.store, store.LiveStream(string(id)), 0) {
		if err != nil {
			s.Fatalf("%v after %d events", err, len(all))
		}
		var e event.Event
		if err := json.Unmarshal(stored.Data, &e); err != nil {
			s.Fatal(err)
		}
		all = append(all, e)
		if e.Seq != uint64(len(all)) || stored.Seq != e.Seq {
			s.Fatalf("event %d says %d and is stored as %d", len(all), e.Seq, stored.Seq)
		}
		committed += e.Text[:len(e.Text)*btoi(e.Type == event.Committed)]
		if e.Type == event.Final && e.Complete != nil && *e.Complete && e.Text != strings.TrimSpace(committed) {
			s.Errorf("final %q, committed %q", e.Text, committed)
		}
		if wanted(e) {
			return all
		}
	}
	for _, e := range all {
		s.Logf("%+v %+v", e, e.Error)
	}
	s.Fatal("the stream has ended")
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func is(kind string) func(event.Event) bool {
	return func(e event.Event) bool { return e.Type == kind || e.State == kind }
}

// lastCommitted is the number of the last event with committed words, 0 for none.
func (s *studio) lastCommitted(id recording.ID) (last uint64) {
	s.Helper()
	replay, err := s.store.Events(s.Context(), store.LiveStream(string(id)), 0, 500)
	if err != nil {
		s.Fatal(err)
	}
	for _, stored := range replay.Events {
		if stored.Type == event.Committed {
			last = stored.Seq
		}
	}
	return last
}

// text is the text that a dictation has in the end.
func (s *studio) text(id recording.ID) string {
	s.Helper()
	all := s.until(id, is(event.Done))
	final := all[len(all)-2]
	if final.Version != 1 {
		s.Errorf("before the last event: %+v", final)
	}
	version, err := s.store.Transcript(s.Context(), store.MainKey(string(id)), 0)
	if err != nil || version.Text() != final.Text {
		s.Errorf("the transcript is %+v, %v; final %q", version, err, final.Text)
	}
	return final.Text
}

// counted is the value of a metric, with all its labels together.
func (s *studio) counted(name string) (sum float64) {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
