package api_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"io/fs"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/api/openai/files/filestest"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/importation"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/retention"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
	"github.com/scout-speech/scout/internal/store/storetest"
	"github.com/scout-speech/scout/internal/testrun"
	"github.com/scout-speech/scout/internal/unixsocket"
	"github.com/scout-speech/scout/internal/upload"
	"github.com/scout-speech/scout/internal/webhook"
)

func TestMain(m *testing.M) {
	suite := enginetest.Prepare(m, filestest.Engine) // this program is an engine, too
	testrun.Beside(4)
	os.Exit(suite.Run())
}

// unbuilt is the page of a program that was built without npm.
var unbuilt = &fstest.MapFS{}

// served is a server over a folder in which nothing was recorded yet.
type served struct {
	t        *testing.T
	dir      string
	folder   *recording.Folder
	server   *api.Server
	socket   string
	client   *http.Client
	store    store.Store
	history  *history.History
	registry prom.Registry
	recorder *recorder
	health   health.Status
	services api.Services
	uploads  upload.Options
	times    api.Times
	network  api.Network
	page     fs.FS    // in the place of the one that was built
	tcp      bool     // it answers clients of the network, too
	tls      *tlsSide // over TLS; nil without
	address  string   // where
	key      string   // of an owner
	ends     []func() // of what works until the server has ended
	close    func()   // ends the server and the store; it is called when the test ends as well
}

// serve returns a server over a new folder. change, where it is given, changes what it offers.
func serve(t *testing.T, change ...func(*served)) *served {
	t.Helper()
	return serveIn(t, t.TempDir(), change...)
}

// testsBegan is when this process began.
var testsBegan = time.Now()

// onTheEvening is a clock that begins on the evening of the examples, whose recordings would be too old for the journal later on.
func onTheEvening() time.Time {
	return time.Date(2026, 11, 28, 22, 0, 0, 0, time.UTC).Add(time.Since(testsBegan))
}

// serveIn returns a server over a folder, as a daemon that was started again has it.
func serveIn(t *testing.T, dir string, change ...func(*served)) *served {
	t.Helper()
	folder, err := recording.OpenFolder(filepath.Join(dir, "recordings"))
	if err != nil {
		t.Fatal(err)
	}
	st := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{Now: onTheEvening})
	s := &served{
		t: t, dir: dir, folder: folder, store: st, registry: prom.NewRegistry(), recorder: &recorder{folder: folder}, health: health.Healthy,
	}
	uploads, err := recording.OpenUploads(filepath.Join(dir, "uploads"))
	if err != nil {
		t.Fatal(err)
	}
	imports, err := recording.OpenImports(filepath.Join(dir, "imports"))
	if err != nil {
		t.Fatal(err)
	}
	s.history = history.New(observe.Scope{}, st, ondisk.Folders{{Folder: folder, Source: store.SourceMicrophone}, {Folder: uploads, Source: store.SourceUpload}, {Folder: imports, Source: store.SourceImport}})
	s.network = api.Network{Name: "Box.example", Peer: func(_, _ netip.AddrPort) (int, error) { return os.Getuid(), nil }}
	scope := observe.NewScope(nil, s.registry, nil)
	room, folders := freespace.NewBudget(dir, func() int64 { return 0 }), recording.Folders{folder, uploads, imports}
	taken, err := importation.New(importation.Options{Folder: imports, Store: st, Budget: room, MostBytes: 1 << 20, Keep: time.Hour, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	exported, err := export.NewWorker(export.Options{
		Source: export.Source{Store: st, Folders: folders, JSON: api.TranscriptJSON}, Dir: filepath.Join(dir, "exports"), Keep: time.Hour, Budget: room, Scope: scope, Now: onTheEvening,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.services = api.Services{
		Health:   func(context.Context, bool) health.Report { return health.Report{Status: s.health, Version: "test"} },
		NotReady: func(context.Context) []string { return nil },
		Status:   func(context.Context) v1.Status { return v1.Status{PID: 1} },
		Devices: func(context.Context) (string, []sound.Device, error) {
			return "", nil, scout.Errorf(scout.CodeSoundServer, "nobody answers")
		},
		Models: &models{},
		Levels: func(ctx context.Context, device string, _ time.Duration, each func(v1.Level) bool) error {
			if device == "none" {
				return scout.Errorf(scout.CodeDeviceNotFound, "there is no device %s", device)
			}
			for n := 1; ctx.Err() == nil && each(v1.Level{At: v1.Time{Time: time.Now()}, Device: "mic", RMS: 0.1, Peak: 0.5, RMSDBFS: -20, PeakDBFS: -6}); n++ {
				if n > 1000 { // as many as it takes; a slow reader loses the rest
					<-ctx.Done()
				}
			}
			return nil
		},
		Recorder: s.recorder, Folders: folders, Imports: taken, Exports: exported, History: s.history,
		Jobs: job.New(job.Options{
			Store: st, Scope: scope, Kinds: map[string]job.Work{
				job.KindTranscribe: func(context.Context, *job.Claimed) error { return nil }, job.KindModelPull: func(context.Context, *job.Claimed) error { return nil },
				job.KindImport: taken.Do, job.KindExport: exported.Do,
			}, Now: onTheEvening,
		}),
		Webhooks:    webhook.New(webhook.Options{Store: st, Scope: scope, Now: onTheEvening, Own: func() ([]net.Addr, error) { return nil, nil }}),
		Degradation: func() v1.Degradation { return v1.FullQuality(nil) },
		Acceptable: func(_ context.Context, r transcription.Request) error {
			if r.Model == "none" {
				return scout.Errorf(scout.CodeModelNotInstalled, "model none is not installed")
			}
			if r.Model == "english" && r.Task == store.TaskTranslate {
				return scout.Errorf(scout.CodeModelUnsupported, "model english cannot translate")
			}
			_, err := recognize.ParseLanguage(r.Language)
			return err
		},
		Pages:     func(bool) string { return "http://" + s.address },
		Retention: retention.New(retention.Options{Store: st, Folder: folders, Keep: storetest.Month, Purged: exported.Purged, Scope: scope}),
		Order: func() recording.Order {
			return recording.Order{Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}}
		},
	}
	s.uploads = upload.Options{
		Folder: uploads, History: s.history, Jobs: s.services.Jobs, Budget: freespace.NewBudget(dir, func() int64 { return 0 }), MostBytes: 1 << 20, Keep: time.Hour, Scope: scope,
	}
	for _, c := range change {
		c(s)
	}
	if s.services.Uploads, err = upload.Open(s.uploads); err != nil {
		t.Fatal(err)
	}
	s.server = api.New(api.Options{Scope: scope, Failures: observe.NewFailures(scope), Version: "test", Gatherer: s.registry, Times: s.times, Network: s.network, Page: cmp.Or[fs.FS](s.page, unbuilt)}, s.services)
	if s.socket, err = unixsocket.Path(dir, "s"); err != nil {
		t.Fatal(err)
	}
	listener, err := unixsocket.Listen(t.Context(), s.socket)
	if err != nil {
		t.Fatal(err)
	}
	listeners := []net.Listener{listener}
	if s.tcp {
		listeners = append(listeners, s.listen())
	}
	ended := make(chan error, len(listeners))
	for i, l := range listeners {
		go func() { // ended by Shutdown
			if i > 0 && s.tls != nil {
				ended <- s.server.ServeTLS(l, l.Addr().String(), api.TLS{Config: s.tls.server, AlsoPlain: s.tls.alsoPlain})
				return
			}
			ended <- s.server.Serve(l, l.Addr().String())
		}()
	}
	s.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket)
	}}}
	s.close = sync.OnceFunc(func() {
		s.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for range listeners {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		for _, end := range s.ends {
			end()
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		_ = unixsocket.Remove(s.socket) // the listener has removed it
	})
	t.Cleanup(s.close)
	return s
}

// exampleID is the recording of the examples.
const exampleID = recording.ID("20261128T215900123Z-7f3a9c2e41d0")

// record makes a recording of a quarter of a second of a tone that ended.
func (s *served) record(id recording.ID) recording.Manifest {
	s.t.Helper()
	w := s.begin(id)
	m, err := w.Finish(recording.End{At: w.StartedAt().Add(250 * time.Millisecond), Reason: recording.EndStopped})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// begin makes a recording that is under way.
func (s *served) begin(id recording.ID) *recording.Writer {
	s.t.Helper()
	at, err := time.Parse("20060102T150405000Z", string(id[:19]))
	if err != nil {
		at = time.Date(2026, 11, 28, 21, 59, 0, 123e6, time.UTC)
	}
	format := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}
	w, err := s.folder.Create(recording.Settings{ID: id, Format: format, Device: recording.Device{ID: "mic", Name: "Built-in microphone"}, StartedAt: at})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := w.Write(tone(4000)); err != nil {
		s.t.Fatal(err)
	}
	return w
}

// tone is 440 Hz at half of full scale, in s16 at 16 kHz.
func tone(frames int) []byte {
	out := make([]byte, 0, 2*frames)
	for i := range frames {
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(16384*math.Sin(2*math.Pi*440*float64(i)/16000)))) //nolint:gosec // the bits of a sample
	}
	return out
}

// recorder is one that needs no device. The real one is tested with the commands.
type recorder struct {
	folder *recording.Folder

	mu     sync.Mutex
	writer *recording.Writer
	begun  recording.Started
	starts int
	fail   error
	ends   bool // the daemon ends as soon as something has happened: no answer is stored
	early  bool // and before anything happens
}

// happened ends the request where the daemon would end.
func (r *recorder) happened() {
	if r.ends {
		panic("the daemon was killed")
	}
}

// Status implements api.Recorder.
func (r *recorder) Status(context.Context) (recording.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return recording.Status{}, r.fail
	}
	status := recording.Status{Capture: "idle", FreeBytes: 1 << 30, Left: time.Hour}
	if r.writer != nil {
		status.Capture, status.Device = "recording", r.begun.Device
		status.Recording = &recording.Progress{ID: r.begun.ID, StartedAt: r.begun.StartedAt, Format: r.begun.Format, Captured: r.writer.Frames(), Written: r.writer.Frames()}
	}
	return status, nil
}

// Start implements api.Recorder.
func (r *recorder) Start(_ context.Context, order recording.Order, begins func(recording.ID)) (recording.Started, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return recording.Started{}, r.fail
	}
	if r.early {
		r.happened()
	}
	if r.writer != nil && (order.ID == "" || order.ID == r.begun.ID) {
		again := r.begun
		again.Already = true
		return again, nil
	}
	if r.writer != nil {
		return recording.Started{}, scout.Errorf(scout.CodeAlreadyRecording, "recording %s is in progress", r.begun.ID).WithHint("to stop it: scout stop")
	}
	if order.ID == "" {
		order.ID = recording.NewID(time.Now())
	}
	if begins != nil {
		begins(order.ID)
	}
	r.begun = recording.Started{ID: order.ID, StartedAt: time.Now(), Format: order.Format, Device: recording.Device{ID: "mic", Name: "Built-in microphone"}, Left: time.Hour}
	w, err := r.folder.Create(recording.Settings{ID: order.ID, Format: order.Format, Device: r.begun.Device, StartedAt: r.begun.StartedAt, Labels: order.Labels})
	if err != nil {
		return recording.Started{}, err
	}
	if _, err := w.Write(tone(4000)); err != nil {
		return recording.Started{}, err
	}
	r.writer = w
	r.starts++
	r.happened()
	return r.begun, nil
}

// Stop implements api.Recorder.
func (r *recorder) Stop(_ context.Context, id recording.ID) (record.Stopped, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.early {
		r.happened()
	}
	switch {
	case id != "" && (r.writer == nil || id != r.begun.ID):
		m, err := r.folder.Manifest(id)
		return record.Stopped{Manifest: m, Already: err == nil}, err
	case r.writer == nil:
		list, _, err := r.folder.List()
		if err != nil || len(list) == 0 {
			return record.Stopped{}, scout.Errorf(scout.CodeRecordingNotFound, "nothing was recorded yet").WithHint("start a recording: scout start")
		}
		return record.Stopped{Manifest: list[len(list)-1], Already: true}, nil
	}
	m, err := r.writer.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped})
	r.writer = nil
	r.happened()
	return record.Stopped{Manifest: m}, err
}

// Folder implements api.Recorder.
func (r *recorder) Folder() *recording.Folder { return r.folder }
