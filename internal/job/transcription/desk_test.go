package transcription_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// TestMain lets the test binary be an engine too. It does what the file "do" beside the model says: "crash" ends the process, and
// "pieces N" hears a word in each piece, notes it in the file "heard", and waits when there are N of them.
func TestMain(m *testing.M) {
	enginetest.Main(m, func(*os.File) server.Options {
		return server.Options{Open: func(_ context.Context, load wire.Load) (server.Backend, error) { return backend{load}, nil }}
	})
}

type backend struct{ load wire.Load }

func (b backend) Facts() wire.Hello {
	return wire.Hello{ModelID: b.load.ModelID, MaxFrames: 1 << 20, Slots: 2, HotWords: true, WordTimes: true, Translates: true}
}
func (backend) Close() error { return nil }
func (b backend) Transcribe(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	if strings.Contains(strings.Join(r.Options.HotWords, " "), "impossible") {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "a hot word is too long")
	}
	dir := filepath.Dir(b.load.Files["tokens"])
	for ctx.Err() == nil {
		do, err := os.ReadFile(filepath.Join(dir, "do"))
		if err != nil {
			return nil, err
		}
		if string(do) == "crash" {
			os.Exit(3)
		}
		var pieces int
		if _, err := fmt.Sscanf(string(do), "pieces %d", &pieces); err != nil {
			return nil, err
		}
		heard, _ := os.ReadFile(filepath.Join(dir, "heard")) // there may be none yet
		if strings.Count(string(heard), "\n") >= pieces {
			time.Sleep(time.Millisecond) // a file tells nobody that it changed
			continue
		}
		if r.Options.Translate {
			return &wire.Result{Text: "english", Words: []wire.Word{{Text: "english"}}, Stop: wire.StopEnd}, nil
		}
		word := fmt.Sprintf("w%d", int(math.Round(math.Abs(float64(r.Samples[0]))*32768/loudness))-1)
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
	}
	return nil, context.Cause(ctx)
}

// loudness of a second of a recording, as a step of its samples: what is heard tells where it is from.
const loudness = 100

// desk is a data folder with recordings, a store and a model, and the processes that follow each other on it.
type desk struct {
	*testing.T
	dir     string
	folder  *recording.Folder
	uploads *recording.Folder
	store   *sqlite.Store
	history *history.History
	// roles are the models that were chosen for a role; "a" is for everything where there are none.
	roles recognize.Roles
	// progressive is the setting.
	progressive bool
	// borrowed is called when an engine was found for a job; nil for nobody.
	borrowed func()
}

// lender tells the desk.
type lender struct {
	transcription.Lender
	desk *desk
}

func (l lender) BorrowFor(ctx context.Context, model string, role recognize.Role, language string) (*recognize.Recognizer, func(), error) {
	r, release, err := l.Lender.BorrowFor(ctx, model, role, language)
	if l.desk.borrowed != nil {
		l.desk.borrowed()
	}
	return r, release, err
}

// BorrowTranslator lends the model "many", which is none of those that are known to translate.
func (l lender) BorrowTranslator(ctx context.Context, name, language string) (*recognize.Recognizer, func(), error) {
	if name == "many" {
		return l.Lender.BorrowFor(ctx, name, recognize.Accurate, language)
	}
	return l.Lender.BorrowTranslator(ctx, name, language)
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: t.TempDir()}
	var err error
	if d.folder, err = recording.OpenFolder(filepath.Join(d.dir, "recordings")); err != nil {
		t.Fatal(err)
	}
	if d.uploads, err = recording.OpenUploads(filepath.Join(d.dir, "uploads")); err != nil {
		t.Fatal(err)
	}
	d.store = sqlitetest.Open(t, filepath.Join(d.dir, sqlite.FileName), sqlite.Options{})
	t.Cleanup(func() { // after the processes
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
	d.history = history.New(observe.Scope{}, d.store, ondisk.Folders{{Folder: d.folder, Source: store.SourceMicrophone}, {Folder: d.uploads, Source: store.SourceUpload}})
	d.install("a")
	return d
}

// install installs a model that hears everything.
func (d *desk) install(id string) {
	d.Helper()
	enginetest.Model(d, filepath.Join(d.dir, "models"), id)
	for _, name := range []string{"e", "d", "t"} {
		d.write("models/"+id+"/"+name, id+name) // no two models are the same
	}
	d.write("models/"+id+"/do", "pieces 1000")
}

func (d *desk) does(what string) { d.write("models/a/do", what) }

func (d *desk) write(path, content string) {
	d.Helper()
	path = filepath.Join(d.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(path+".next", []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		d.Fatal(err)
	}
}

// record makes a recording of so many seconds. Each is louder than the one before.
func (d *desk) record(seconds int) recording.ID {
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
	if _, err := w.Finish(recording.End{Reason: recording.EndStopped}); err != nil {
		d.Fatal(err)
	}
	return w.ID()
}

// heard are the pieces that the model heard.
func (d *desk) heard() []string {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "models", "a", "heard"))
	if err != nil && !os.IsNotExist(err) {
		d.Fatal(err)
	}
	return strings.Fields(string(text))
}

// process is one that does jobs.
type process struct {
	*desk
	*jobtest.Process
}

// start starts a process. It is ended with the test at the latest.
func (d *desk) start() *process {
	d.Helper()
	everything := "a"
	if d.roles != (recognize.Roles{}) {
		everything = ""
	}
	engines := recognize.NewEngines(recognize.EnginesOptions{
		Machine: &recognize.Machine{}, Models: func() (*model.Store, error) { return model.Open(filepath.Join(d.dir, "models"), observe.Scope{}) },
		Default: everything, Roles: d.roles, Program: os.Args[0],
	})
	failures := observe.NewFailures(observe.Scope{})
	worker := transcription.New(transcription.Options{
		Folder: recording.Folders{d.folder, d.uploads}, Engines: lender{engines, d}, History: d.history, SavedEvery: 1, Failures: failures,
		MostAudio: mostAudio, Progressive: d.progressive, Heard: func(id recording.ID, length time.Duration) {
			if err := d.uploads.Heard(id, length); err != nil {
				d.Error(err)
			}
		},
	})
	return &process{d, jobtest.Start(d.T, job.Options{Store: d.store, Kinds: map[string]job.Work{job.KindTranscribe: worker.Do}, Failures: failures}, engines.Close)}
}

// submit asks for the text of a recording.
func (p *process) submit(id recording.ID, request transcription.Request) store.Job {
	p.Helper()
	return p.Add(job.Order{Kind: job.KindTranscribe, Recording: string(id), Length: time.Minute}, request)
}

// saved waits until so many parts of a job are kept.
func (d *desk) saved(id string, parts int) {
	d.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) { // what is saved tells nobody
		list, err := d.store.JobParts(d.Context(), id)
		if err != nil {
			d.Fatal(err)
		}
		if len(list) >= parts {
			return
		}
		if time.Since(began) > 20*time.Second {
			d.Fatalf("%d parts were saved, want %d", len(list), parts)
		}
	}
}

// text is the text of a recording, which must have so many versions.
func (d *desk) text(id recording.ID, versions int) string {
	d.Helper()
	list, err := d.store.Versions(d.Context(), store.MainKey(string(id)))
	if err != nil || len(list) != versions {
		d.Fatalf("%d versions (%v), want %d", len(list), err, versions)
	}
	t, err := d.store.Transcript(d.Context(), store.MainKey(string(id)), 0)
	if err != nil {
		d.Fatal(err)
	}
	return t.Text()
}
