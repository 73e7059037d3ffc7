package retention_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/retention"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
	"github.com/scout-speech/scout/internal/store/storetest"
)

const day = 24 * time.Hour

// world is a data folder with a clock that a test sets.
type world struct {
	*testing.T
	dir      string
	now      time.Time
	folder   *recording.Folder
	store    *sqlite.Store
	keep     store.Retention
	registry prom.Registry
	log      bytes.Buffer
	sweeper  *retention.Sweeper
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), now: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), keep: storetest.Month(), registry: prom.NewRegistry()}
	recordings := filepath.Join(w.dir, "recordings")
	if err := os.Mkdir(recordings, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.folder, err = recording.OpenFolder(recordings); err != nil {
		t.Fatal(err)
	}
	w.open()
	t.Cleanup(func() { _ = w.store.Close() }) // it may be closed already
	return w
}

// open opens the store, as the daemon does.
func (w *world) open() {
	w.Helper()
	w.store = sqlitetest.Open(w, filepath.Join(w.dir, sqlite.FileName), sqlite.Options{Now: func() time.Time { return w.now }})
	w.registry = prom.NewRegistry()
	scope := observe.NewScope(observe.NewLogger(&w.log, observe.LogJSON, slog.LevelDebug), w.registry, nil)
	w.sweeper = retention.New(retention.Options{Store: w.store, Folder: w.folder, Keep: func() store.Retention { return w.keep }, Scope: scope})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// record makes a recording of half a second, with a text unless that is empty.
func (w *world) record(text string) string {
	w.Helper()
	writer := w.begin()
	m, err := writer.Finish(recording.End{At: w.now.Add(time.Second), Reason: recording.EndStopped})
	w.must(err)
	w.see()
	if text != "" {
		w.text(string(m.ID), text)
	}
	return string(m.ID)
}

// begin makes a recording that is under way.
func (w *world) begin() *recording.Writer {
	w.Helper()
	format := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}
	writer, err := w.folder.Create(recording.Settings{Format: format, StartedAt: w.now})
	w.must(err)
	_, err = writer.Write(make([]byte, 16000))
	w.must(err)
	return writer
}

func (w *world) see() {
	w.Helper()
	_, err := store.Reconcile(w.Context(), w.store, ondisk.Folders{{Folder: w.folder, Source: store.SourceMicrophone}})
	w.must(err)
}

func (w *world) text(id, text string) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
		transcript := scout.Transcript{Model: "m", Language: "en", Segments: []scout.Segment{{Text: text}}}
		_, err := tx.PutTranscript(store.Put{Key: store.MainKey(id), Kind: store.KindFirst, Transcript: transcript})
		return err
	}))
}

// days lets days pass; somebody uses Scout each day.
func (w *world) days(n int) retention.Swept {
	w.Helper()
	var all retention.Swept
	for range n {
		w.now = w.now.Add(day)
		swept, err := w.sweeper.Sweep(w.Context())
		w.must(err)
		all.Audio, all.Recordings, all.Texts, all.Sessions, all.Bytes = all.Audio+swept.Audio, all.Recordings+swept.Recordings, all.Texts+swept.Texts, all.Sessions+swept.Sessions, all.Bytes+swept.Bytes
		all.InUse = swept.InUse
	}
	return all
}

// audio reports whether the audio of a recording is on the disk.
func (w *world) audio(id string) bool {
	_, err := os.Stat(w.folder.AudioPath(recording.ID(id)))
	return err == nil
}

// grep returns the files of the data folder that hold the word.
func (w *world) grep(word string) []string {
	w.Helper()
	var where []string
	w.must(filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(word)) {
			where = append(where, path)
		}
		return err
	}))
	return where
}

func TestADictationLosesItsAudioAfterAMonthAndKeepsItsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.record("what was said")
	silent := w.record("") // without a text
	if swept := w.days(30); swept.Audio != 0 {
		t.Errorf("after 30 days: %+v", swept)
	}
	young := w.record("said later")
	if swept := w.days(2); swept.Audio != 1 || swept.Bytes == 0 {
		t.Errorf("after 32 days: %+v", swept)
	}
	if w.audio(old) || !w.audio(silent) || !w.audio(young) {
		t.Errorf("audio: old %v, without text %v, young %v", w.audio(old), w.audio(silent), w.audio(young))
	}
	r, err := w.store.Recording(t.Context(), old)
	if err != nil || r.Audio != store.AudioRemoved || r.Transcript == nil || r.Transcript.Preview != "what was said" {
		t.Errorf("the old one is %+v, %v", r, err)
	}
	w.see() // the folder agrees
	if r, err = w.store.Recording(t.Context(), old); err != nil || r.Audio != store.AudioRemoved {
		t.Errorf("looked at again: %+v, %v", r, err)
	}
	w.days(400)
	if !w.audio(silent) {
		t.Error("audio without a text was removed")
	}
	if got := counted(t, w, "scout_retention_removed_total", "audio"); got != 2 {
		t.Errorf("%v removed by the metric", got)
	}
}

// counted returns the value of a counter of that kind.
func counted(t *testing.T, w *world, name, kind string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == kind) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// What somebody works with is not removed, and goes when they have finished.
func TestWhatIsInUseIsKept(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(*testing.T, *world, string) (end func()){
		"a program reads the audio": func(t *testing.T, w *world, id string) func() {
			t.Helper()
			file, err := os.Open(w.folder.AudioPath(recording.ID(id)))
			w.must(err)
			return func() { w.must(file.Close()) }
		},
		"its text was changed yesterday": func(_ *testing.T, w *world, id string) func() {
			w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
				_, err := tx.Edit(store.EditRequest{Key: store.MainKey(id), Edits: []store.Edit{{Text: "corrected"}}})
				return err
			}))
			return func() { w.days(25) }
		},
		"its dictation goes on": func(_ *testing.T, w *world, id string) func() {
			session, _, err := store.OpenSession(w.Context(), w.store, id)
			w.must(err)
			return func() {
				w.must(session.End(w.Context(), func(store.Tx) ([]store.NewEvent, error) { return nil, nil }))
			}
		},
		"its manifest says that it is being recorded": func(_ *testing.T, w *world, id string) func() {
			path := w.folder.ManifestPath(recording.ID(id))
			before, err := os.ReadFile(path)
			w.must(err)
			w.must(os.WriteFile(path, bytes.Replace(before, []byte(`"state": "finished"`), []byte(`"state": "recording"`), 1), 0o600))
			return func() { w.must(os.WriteFile(path, before, 0o600)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.record("what was said")
			w.days(30)
			end := use(t, w, id)
			if swept := w.days(5); swept.Audio != 0 || !w.audio(id) {
				t.Fatalf("removed while in use: %+v", swept)
			}
			end()
			if swept := w.days(1); swept.Audio != 1 || w.audio(id) {
				t.Errorf("afterwards: %+v", swept)
			}
		})
	}
}

func TestARecordingUnderWayIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writer := w.begin()
	id := string(writer.ID())
	w.see()
	w.text(id, "the beginning of it")
	if swept := w.days(100); swept.Audio != 0 || !w.audio(id) {
		t.Errorf("removed: %+v", swept)
	}
	if err := w.sweeper.Purge(t.Context(), id); scout.CodeOf(err) != scout.CodeRecordingInUse {
		t.Errorf("purge: %v", err)
	}
	if asked, err := w.store.AskedPurges(t.Context()); err != nil || len(asked) > 0 {
		t.Errorf("a purge that was refused is noted: %v, %v", asked, err)
	}
	_, err := writer.Finish(recording.End{At: w.now, Reason: recording.EndStopped})
	w.must(err)
}

// A clock that leaps must not make recordings of today old.
func TestAClockThatLeapsRemovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.record("what was said")
	trashed := w.record("in the trash")
	w.must(w.folder.Trash(recording.ID(trashed)))
	w.see()
	right := w.now
	for _, leap := range []time.Duration{20 * 365 * day, -20 * 365 * day, 10 * 365 * day} {
		w.now = right.Add(leap)
		if swept, err := w.sweeper.Sweep(t.Context()); err != nil || swept != (retention.Swept{}) {
			t.Errorf("%s off: %+v, %v", leap, swept, err)
		}
	}
	w.now = right
	if swept := w.days(10); swept != (retention.Swept{}) || !w.audio(id) {
		t.Errorf("days later: %+v", swept)
	}
	if !strings.Contains(w.log.String(), "retention_clock_leapt") {
		t.Error("the log does not say that the clock leapt")
	}
}

func TestTheTrashIsEmptiedWithoutATrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, other := w.record("zanzibar was said"), w.record("zebedee was said")
	w.must(w.folder.Trash(recording.ID(id)))
	w.see()
	w.must(w.store.Update(t.Context(), func(tx store.Tx) error { _, err := tx.DeleteTranscript(store.MainKey(other)); return err }))
	w.days(30)
	if len(w.grep("zanzibar")) == 0 || len(w.grep("zebedee")) == 0 {
		t.Fatal("nothing is found before: the test looks at nothing")
	}
	if swept := w.days(1); swept.Recordings != 1 || swept.Texts != 1 {
		t.Errorf("after a month: %+v", swept)
	}
	for _, word := range []string{"zanzibar", "zebedee", id} {
		for _, path := range w.grep(word) {
			if word != id || filepath.Ext(path) == ".wav" || filepath.Ext(path) == ".json" {
				t.Errorf("%s holds %q", path, word)
			}
		}
	}
	if ids, err := w.folder.Trashed(); err != nil || len(ids) > 0 {
		t.Errorf("in the folder's trash: %v, %v", ids, err)
	}
	if !w.audio(other) {
		t.Error("the audio of a text that was in the trash is gone")
	}
}

func TestNothingIsRemovedWhenEverythingIsKeptForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep = store.Retention{}
	id := w.record("what was said")
	trashed := w.record("in the trash")
	w.must(w.folder.Trash(recording.ID(trashed)))
	w.see()
	if swept := w.days(100); swept != (retention.Swept{}) || !w.audio(id) {
		t.Errorf("removed: %+v", swept)
	}
}

func TestPurgeRemovesAudioAndText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, other := w.record("zanzibar was said"), w.record("what stays")
	w.must(w.sweeper.Purge(t.Context(), id))
	if where := w.grep("zanzibar"); len(where) > 0 || w.audio(id) {
		t.Errorf("left in %q, audio %v", where, w.audio(id))
	}
	if _, err := w.store.Recording(t.Context(), id); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("the recording: %v", err)
	}
	if err := w.sweeper.Purge(t.Context(), id); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("purged again: %v", err)
	}
	w.must(w.sweeper.PurgeText(t.Context(), store.MainKey(other)))
	if where := w.grep("what stays"); len(where) > 0 || !w.audio(other) {
		t.Errorf("the text is left in %q, audio %v", where, w.audio(other))
	}
	if err := w.sweeper.PurgeText(t.Context(), store.MainKey(other)); scout.CodeOf(err) != scout.CodeNotFound {
		t.Errorf("the text purged again: %v", err)
	}
}

// dying is a folder whose program dies at the removal of audio, before it or after it.
type dying struct {
	retention.Folder
	after bool
}

var errDied = errors.New("the program died")

func (d dying) Delete(id recording.ID) error {
	if d.after {
		if err := d.Folder.Delete(id); err != nil {
			return err
		}
	}
	return errDied
}

// A purge with audio that is interrupted before or after the audio went is completed by the next sweep.
func TestAnInterruptedPurgeIsCompletedByTheNextStart(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before the audio was removed": false, "after the audio was removed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.record("zanzibar was said")
			interrupted := retention.New(retention.Options{
				Store: w.store, Folder: dying{w.folder, after}, Keep: func() store.Retention { return w.keep }, Scope: observe.NewScope(nil, nil, nil),
			})
			if err := interrupted.Purge(t.Context(), id); !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			w.must(w.store.Close())
			w.open()
			w.see()
			swept, err := w.sweeper.Sweep(t.Context())
			if err != nil || swept.Recordings != 1 {
				t.Errorf("%+v, %v", swept, err)
			}
			if where := w.grep("zanzibar"); len(where) > 0 || w.audio(id) {
				t.Errorf("left in %q, audio %v", where, w.audio(id))
			}
		})
	}
}

// Words that were said are in no line of the log and no metric of retention.
func TestNoWordsInLogAndMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	purged := w.record("zanzibar was said")
	w.record("zanzibar again")
	w.must(w.sweeper.Purge(t.Context(), purged))
	w.days(32)
	if w.log.Len() == 0 || strings.Contains(w.log.String(), "zanzibar") {
		t.Errorf("log:\n%s", w.log.String())
	}
	families, err := w.registry.Gather()
	if err != nil || len(families) == 0 {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.Contains(family.String(), "zanzibar") {
			t.Errorf("metric %s", family)
		}
	}
}

// failing is a store that cannot be written, until it can.
type failing struct {
	store.Store
	mu    sync.Mutex
	err   error
	looks []time.Time
}

func (f *failing) Due(context.Context, store.Retention) (store.Due, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks = append(f.looks, time.Now())
	return store.Due{}, f.err
}

func (f *failing) AskedPurges(context.Context) ([]string, error)                  { return nil, nil }
func (f *failing) FinishPurges(context.Context) error                             { return nil }
func (f *failing) TrimJournal(context.Context, string, store.JournalLimits) error { return nil }
func (f *failing) TrimSessions(context.Context, time.Duration) (int, error)       { return 0, nil }
func (f *failing) LiveSessions(context.Context) (open []store.Stream, err error)  { return nil, nil }

func TestRunSweepsSoonAndEveryHourAndSaysWhatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &failing{err: scout.Errorf(scout.CodeDiskFull, "write to the database: the disk is full")}
		registry := prom.NewRegistry()
		s := retention.New(retention.Options{
			Store: st, Keep: storetest.Month, Scope: observe.NewScope(nil, registry, nil),
		})
		probe := func() health.Result { return s.HealthCheck().Probe(t.Context()) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		began := time.Now()
		go func() { done <- s.Run(ctx) }()
		if r := probe(); r.Status != health.Healthy {
			t.Errorf("before the first sweep: %+v", r)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if r := probe(); r.Status != health.Degraded || !strings.Contains(r.Reason, "the disk is full") {
			t.Errorf("with a full disk: %+v", r)
		}
		st.mu.Lock()
		st.err = nil
		st.mu.Unlock()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if r := probe(); r.Status != health.Healthy || r.Metadata["audio_days"] != "30" || r.Metadata["trash_days"] != "30" {
			t.Errorf("with room again: %+v", r)
		}
		st.mu.Lock()
		if len(st.looks) != 4 || st.looks[0].Sub(began) > time.Minute || st.looks[3].Sub(st.looks[2]) != time.Hour {
			t.Errorf("looked at %v", st.looks)
		}
		st.mu.Unlock()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}
