package export_test

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// desk is a Scout with some texts.
type desk struct {
	*testing.T
	store   *sqlite.Store
	folders recording.Folders
	dir     string

	mu    sync.Mutex
	at    func(id string) // is called when the text of a recording is written; nil for nobody
	clock time.Duration   // how far the clock is ahead
}

func newDesk(t *testing.T, texts int) *desk {
	t.Helper()
	dir := t.TempDir()
	st := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	t.Cleanup(func() { // after the processes
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	folders, err := recording.OpenFolders(filepath.Join(dir, "recordings"), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{T: t, store: st, folders: folders, dir: dir}
	err = st.Update(t.Context(), func(tx store.Tx) error {
		for i := range texts {
			r := store.Recording{ID: idOf(i), Source: store.SourceImport, State: "finished", StartedAt: time.Unix(1e9, 0), Audio: store.AudioRemoved}
			if _, err := tx.PutRecording(r); err != nil {
				return err
			}
			put := store.Put{Key: store.MainKey(r.ID), Kind: store.KindFirst, Transcript: scout.Transcript{Segments: []scout.Segment{{Text: fmt.Sprint("text ", i)}}}}
			if _, err := tx.PutTranscript(put); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func idOf(i int) string { return fmt.Sprintf("20261128T2159%02d123Z-7f3a9c2e41d0", i) }

// set says what happens when the text of a recording is written.
func (d *desk) set(at func(id string)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
}

func (d *desk) write(w io.Writer, t *store.Transcript) error {
	d.mu.Lock()
	at := d.at
	d.mu.Unlock()
	if at != nil {
		at(t.Recording)
	}
	_, err := io.WriteString(w, t.Text())
	return err
}

type process struct {
	*desk
	*jobtest.Process
	worker *export.Worker
}

func (d *desk) start(free int64) *process {
	d.Helper()
	worker, err := export.NewWorker(export.Options{
		Source: export.Source{Store: d.store, Folders: d.folders, JSON: d.write}, Dir: filepath.Join(d.dir, "exports"), Keep: time.Hour, SavedEvery: 1,
		Budget: freespace.NewBudget(d.dir, func() int64 { return free }), Now: func() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return time.Now().Add(d.clock) },
	})
	if err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = worker.Run(ctx) }) // ended with the queue
	return &process{d, jobtest.Start(d.T, job.Options{
		Store: d.store, Failures: observe.NewFailures(observe.Scope{}), Attempts: 1, Kinds: map[string]job.Work{job.KindExport: worker.Do},
	}, func() { cancel(); running.Wait() }), worker}
}

func (p *process) submit() store.Job {
	p.Helper()
	return p.Add(job.Order{Kind: job.KindExport}, export.Request{All: true, Formats: []string{"json"}})
}

// files are those in the folder of exports, and inside the one zip file among them. A worker may remove files meanwhile.
func (d *desk) files() (outside []string, inside map[string]string) {
	d.Helper()
	found, err := os.ReadDir(filepath.Join(d.dir, "exports"))
	if err != nil {
		d.Fatal(err)
	}
	for _, f := range found {
		outside = append(outside, f.Name())
	}
	if len(outside) != 1 || filepath.Ext(outside[0]) != ".zip" {
		return outside, nil
	}
	z, err := zip.OpenReader(filepath.Join(d.dir, "exports", outside[0]))
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was removed after it was listed
		return d.files()
	case err != nil:
		d.Fatal(err)
	}
	defer z.Close() //nolint:errcheck // it was only read
	inside = make(map[string]string)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			d.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			d.Fatal(err)
		}
		inside[f.Name] = string(data)
	}
	return outside, inside
}

func TestAnInterruptedExportBeginsItsFileAnew(t *testing.T) {
	t.Parallel()
	for situation, interrupt := range map[string]func(p *process, id string){
		"the daemon ends": func(p *process, _ string) { p.End() },
		"a person pauses it": func(p *process, id string) {
			if _, err := p.Pause(p.Context(), id); err != nil {
				p.Fatal(err)
			}
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, 5)
			reached, goOn := make(chan struct{}), make(chan struct{})
			d.set(func(id string) {
				if id == idOf(3) {
					close(reached)
					<-goOn
				}
			})
			first := d.start(0)
			j := first.submit()
			<-reached
			d.set(nil)
			if situation == "the daemon ends" {
				time.AfterFunc(10*time.Millisecond, func() { close(goOn) }) // end waits for the work
				interrupt(first, j.ID)
			} else {
				interrupt(first, j.ID)
				close(goOn)
				first.Until(j.ID, store.JobPaused)
				first.End()
			}
			if outside, _ := d.files(); len(outside) != 0 {
				t.Errorf("an interrupted export left %v", outside)
			}
			second := d.start(0)
			if situation != "the daemon ends" {
				if _, err := second.Resume(t.Context(), j.ID); err != nil {
					t.Fatal(err)
				}
			}
			done, _ := export.DoneOf(new(second.Until(j.ID, store.JobSucceeded)))
			if _, inside := d.files(); len(inside) != 6 || inside[idOf(4)+".json"] != "text 4" || done.Files != 5 || done.DoneItems != 5 {
				t.Errorf("done %+v, files %v", done, inside)
			}
		})
	}
}

func TestAPurgeLeavesNoCopyInAnExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 3)
	var once sync.Once
	p := d.start(0)
	d.set(func(id string) {
		if id == idOf(2) { // the first one is written already
			once.Do(func() {
				if err := d.store.Purge(context.Background(), idOf(0)); err != nil {
					t.Error(err)
				}
				p.worker.Purged(idOf(0))
			})
		}
	})
	p.Until(p.submit().ID, store.JobSucceeded)
	if _, inside := d.files(); len(inside) != 3 || inside[idOf(0)+".json"] != "" {
		t.Errorf("files %v", inside)
	}
	p.worker.Purged(idOf(0)) // nothing of it is there
	if outside, _ := d.files(); len(outside) != 1 {
		t.Errorf("the files are %v", outside)
	}
	p.worker.Purged(idOf(1))
	if outside, _ := d.files(); len(outside) != 0 {
		t.Errorf("the files are %v", outside)
	}
}

func TestAnExportExpires(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 1)
	p := d.start(0)
	j := p.Until(p.submit().ID, store.JobSucceeded)
	kept, err := p.worker.Open(&j)
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Error(err)
	}
	d.mu.Lock()
	d.clock = 2 * time.Hour
	d.mu.Unlock()
	if _, err := p.worker.Open(&j); scout.CodeOf(err) != scout.CodeGone {
		t.Errorf("after its time: %v", err)
	}
	p.End()
	next := d.start(0)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if outside, _ := d.files(); len(outside) == 0 {
			break
		}
	}
	if outside, _ := d.files(); len(outside) != 0 {
		t.Errorf("after its time there is %v", outside)
	}
	if _, err := next.worker.Open(&j); scout.CodeOf(err) != scout.CodeGone {
		t.Errorf("after its removal: %v", err)
	}
}

func TestAnExportLeavesTheRecorderItsRoom(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 1)
	p := d.start(1 << 62)
	j := p.Until(p.submit().ID, store.JobDead)
	if j.Error.Code != scout.CodeDiskLow {
		t.Errorf("error %+v", j.Error)
	}
	if outside, _ := d.files(); len(outside) != 0 {
		t.Errorf("it left %v", outside)
	}
	if _, err := p.worker.Open(&j); scout.CodeOf(err) != scout.CodeConflict {
		t.Errorf("its file: %v", err)
	}
}
