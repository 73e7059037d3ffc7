package backlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// TestMain lets the test binary be an engine too. It does what the file "do" beside the model says: "crash" ends the
// process, "wait" waits until the file says something else, and anything else is the text.
func TestMain(m *testing.M) {
	enginetest.Main(m, func(*os.File) server.Options {
		return server.Options{Open: func(_ context.Context, load wire.Load) (server.Backend, error) { return backend{load}, nil }}
	})
}

type backend struct{ load wire.Load }

func (b backend) Facts() wire.Hello {
	return wire.Hello{ModelID: b.load.ModelID, MaxFrames: 1 << 20, Slots: 2, HotWords: true, WordTimes: true}
}
func (backend) Close() error { return nil }
func (b backend) Transcribe(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	if strings.Contains(strings.Join(r.Options.HotWords, " "), "impossible") {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "a hot word is too long")
	}
	for ctx.Err() == nil {
		dir := filepath.Dir(b.load.Files["tokens"])
		do, err := os.ReadFile(filepath.Join(dir, "do"))
		var pieces int
		switch counts, _ := fmt.Sscanf(string(do), "pieces %d", &pieces); {
		case counts == 1: // tells what it heard, and after so many pieces it waits
			heard, _ := os.ReadFile(filepath.Join(dir, "heard"))
			if strings.Count(string(heard), "\n") >= pieces {
				time.Sleep(time.Millisecond)
				continue
			}
			word := fmt.Sprintf("w%d", secondOf(r.Samples[0]))
			note, err := os.OpenFile(filepath.Join(dir, "heard"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				return nil, err
			}
			_, err = note.WriteString(word + "\n") // by two at the same time
			if err := errors.Join(err, note.Close()); err != nil {
				return nil, err
			}
			start, end := float32(4000), float32(4400)
			return &wire.Result{Text: word, Words: []wire.Word{{Text: word, StartMS: &start, EndMS: &end}}, Stop: wire.StopEnd}, nil
		case err != nil:
			return nil, err
		case string(do) == "crash":
			os.Exit(3)
		case string(do) == "wait":
			time.Sleep(time.Millisecond) // a file tells nobody that it changed
			continue
		}
		return &wire.Result{Text: string(do), Stop: wire.StopEnd}, nil
	}
	return nil, context.Cause(ctx)
}

// loudness of a second of long, as a step of its samples: what is heard tells where it is from.
const loudness = 100

func secondOf(sample float32) int {
	return int(math.Round(math.Abs(float64(sample))*32768/loudness)) - 1
}

// desk is a data folder with recordings, a store and a model, and the processes that follow each other on it.
type desk struct {
	*testing.T
	dir      string
	folder   *recording.Folder
	store    *sqlite.Store
	history  *history.History
	registry prom.Registry
	// wrong is how far the clock of the store is from the right time.
	wrong atomic.Int64
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: t.TempDir(), registry: prom.NewRegistry()}
	var err error
	if d.folder, err = recording.OpenFolder(filepath.Join(d.dir, "recordings")); err != nil {
		t.Fatal(err)
	}
	d.store = sqlitetest.Open(t, filepath.Join(d.dir, sqlite.FileName), sqlite.Options{
		Now: func() time.Time { return time.Now().Add(time.Duration(d.wrong.Load())) },
	})
	t.Cleanup(func() { // after the processes
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
	d.history = history.New(observe.Scope{}, d.store, ondisk.Folders{{Folder: d.folder, Source: store.SourceMicrophone}})
	d.model("hello")
	return d
}

func (d *desk) write(path, content string) {
	d.Helper()
	path = filepath.Join(d.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.Fatal(err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		d.Fatal(err)
	}
}

// model installs a model that says or does something.
func (d *desk) model(do string) {
	d.Helper()
	d.write("models/a/do", do)
	enginetest.Model(d, filepath.Join(d.dir, "models"), "a")
}

// begin begins a recording of a second.
func (d *desk) begin(id recording.ID) *recording.Writer {
	d.Helper()
	w, err := d.folder.Create(recording.Settings{ID: id, Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now()})
	if err != nil {
		d.Fatal(err)
	}
	audio := make([]byte, 32000)
	recordingtest.Coded(audio, 2, 0)
	if _, err := w.Write(audio); err != nil {
		d.Fatal(err)
	}
	return w
}

func (d *desk) finish(w *recording.Writer) {
	d.Helper()
	if _, err := w.Finish(recording.End{Reason: recording.EndStopped}); err != nil {
		d.Fatal(err)
	}
}

// long makes a recording of so many seconds. Each is louder than the one before.
func (d *desk) long(seconds int) recording.ID {
	d.Helper()
	w, err := d.folder.Create(recording.Settings{Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now()})
	if err != nil {
		d.Fatal(err)
	}
	for second := range seconds {
		audio := make([]byte, 0, 32000)
		for i := range 16000 {
			audio = binary.LittleEndian.AppendUint16(audio, uint16(int16((second+1)*loudness*(1-2*(i%2))))) //nolint:gosec // the bits of a sample
		}
		if _, err := w.Write(audio); err != nil {
			d.Fatal(err)
		}
	}
	d.finish(w)
	return w.ID()
}

// heard is how many pieces the model heard since it was installed.
func (d *desk) heard() []string {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "models", "a", "heard"))
	if err != nil && !os.IsNotExist(err) {
		d.Fatal(err)
	}
	return strings.Fields(string(text))
}

// record makes a recording.
func (d *desk) record() recording.ID {
	d.Helper()
	w := d.begin("")
	d.finish(w)
	return w.ID()
}

// process is one that makes texts.
type process struct {
	*desk
	*backlog.Backlog
	open int // what keeps it from being idle
	end  func()
}

// start starts a process. It is ended with the test at the latest.
func (d *desk) start(change ...func(*backlog.Options)) *process {
	d.Helper()
	p := &process{desk: d}
	scope := observe.NewScope(nil, d.registry, nil)
	engines := recognize.NewEngines(recognize.EnginesOptions{
		Machine: &recognize.Machine{}, Models: func() (*model.Store, error) { return model.Open(filepath.Join(d.dir, "models"), observe.Scope{}) },
		Default: "a", Program: os.Args[0],
	})
	o := backlog.Options{
		Dir: filepath.Join(d.dir, "backlog"), Folder: d.folder, Engines: engines, History: d.history, Scope: scope, Failures: observe.NewFailures(scope),
		Begin: func() func() { p.open++; return func() { p.open-- } },
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if p.Backlog, err = backlog.Open(o); err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }() // ended by end
	over := false
	p.end = func() {
		if over {
			return
		}
		over = true
		cancel()
		if err := <-ended; err != nil {
			d.Error(err)
		}
		engines.Close()
	}
	d.Cleanup(p.end)
	return p
}

func (p *process) promise(id recording.ID) {
	p.Helper()
	if err := p.Promise(p.Context(), id, backlog.Order{}); err != nil {
		p.Fatal(err)
	}
}

// until waits for a state and returns what is known then.
func (p *process) until(id recording.ID, state backlog.State) backlog.Item {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 20*time.Second)
	defer cancel()
	revision := uint64(0)
	for {
		item, found := p.Wait(ctx, id, revision)
		switch {
		case !found:
			p.Fatalf("no text is promised for %s any more; want %s", id, state)
		case item.State == state:
			return item
		case ctx.Err() != nil:
			p.Fatalf("%+v after a long time, want %s", item, state)
		}
		revision = item.Revision
	}
}

// wantTexts compares the versions of the text of a recording.
func (d *desk) wantTexts(id recording.ID, want ...string) {
	d.Helper()
	versions, err := d.store.Versions(d.Context(), store.MainKey(string(id)))
	if err != nil && len(want) > 0 {
		d.Fatal(err)
	}
	got := []string{}
	for _, v := range versions {
		t, err := d.store.Transcript(d.Context(), store.MainKey(string(id)), v.Version)
		if err != nil {
			d.Fatal(err)
		}
		got = append(got, t.Text())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		d.Errorf("texts %q, want %q", got, want)
	}
}

// wantPromises compares how many promises are on the disk.
func (d *desk) wantPromises(want int) {
	d.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "backlog", "*"))
	if err != nil || len(files) != want {
		d.Errorf("promises on the disk: %q (%v), want %d", files, err, want)
	}
}

// promises without a process: the daemon was killed right after.
func (d *desk) promised(ids ...recording.ID) {
	d.Helper()
	b, err := backlog.Open(backlog.Options{Dir: filepath.Join(d.dir, "backlog"), Folder: d.folder, History: d.history})
	if err != nil {
		d.Fatal(err)
	}
	for _, id := range ids {
		if err := b.Promise(d.Context(), id, backlog.Order{}); err != nil {
			d.Fatal(err)
		}
	}
}

// text is the whole text of a recording.
func (d *desk) text(id recording.ID) string {
	d.Helper()
	t, err := d.store.Transcript(d.Context(), store.MainKey(string(id)), 0)
	if err != nil {
		d.Fatal(err)
	}
	return t.Text()
}

// change changes the store.
func (d *desk) change(change func(store.Tx) error) {
	d.Helper()
	if err := d.store.Update(d.Context(), change); err != nil {
		d.Fatal(err)
	}
}

// wantNoByte looks for a text in the files of the database.
func (d *desk) wantNoByte(text string) {
	d.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, sqlite.FileName+"*"))
	if err != nil {
		d.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err != nil || bytes.Contains(data, []byte(text)) {
			d.Errorf("%s holds %q (%v)", file, text, err)
		}
	}
}
