package importation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/importation"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/originaltest"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// desk is a Scout that takes over what another one kept.
type desk struct {
	*testing.T
	store  *sqlite.Store
	folder *recording.Folder
	dir    string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	st := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	t.Cleanup(func() { // after the processes
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	folder, err := recording.OpenImports(filepath.Join(dir, "imports"))
	if err != nil {
		t.Fatal(err)
	}
	return &desk{T: t, store: st, folder: folder, dir: dir}
}

// process is one that does imports.
type process struct {
	*desk
	*jobtest.Process
	worker *importation.Worker
}

// start starts one, with its options changed.
func (d *desk) start(change ...func(*importation.Options)) *process {
	d.Helper()
	o := importation.Options{Folder: d.folder, Store: d.store, Budget: freespace.NewBudget(d.dir, func() int64 { return 0 }), MostBytes: 64 << 20, Keep: time.Hour}
	for _, c := range change {
		c(&o)
	}
	worker, err := importation.New(o)
	if err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = worker.Run(ctx) }) // ended with the queue
	return &process{d, jobtest.Start(d.T, job.Options{
		Store: d.store, Failures: observe.NewFailures(observe.Scope{}), Attempts: 1, Kinds: map[string]job.Work{job.KindImport: worker.Do},
	}, func() { cancel(); running.Wait() }), worker}
}

// original makes a database of the original Scout.
func (d *desk) original(statements ...string) []byte {
	d.Helper()
	data, err := os.ReadFile(originaltest.Write(d.T, append([]string{originaltest.Last}, statements...)...))
	if err != nil {
		d.Fatal(err)
	}
	return data
}

// many makes n texts.
func many(n int) string {
	return fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO transcripts (text, duration_ms, created_at) SELECT 'text number ' || i, 1000, '2025-07-15 08:30:01' FROM n`, n)
}

func (p *process) submit(data []byte, audio bool) store.Job {
	p.Helper()
	received, err := p.worker.Receive(p.Context(), bytes.NewReader(data))
	if err != nil {
		p.Fatal(err)
	}
	defer received.Close()
	received.Audio = audio
	options, err := json.Marshal(received.Request)
	if err != nil {
		p.Fatal(err)
	}
	j, made, err := p.Submit(p.Context(), job.Order{Kind: job.KindImport, Options: options, Key: received.Key(), Renew: true})
	if err != nil {
		p.Fatal(err)
	}
	if made {
		received.Keep()
	}
	return j
}

func (d *desk) recordings() []store.Recording {
	d.Helper()
	var all []store.Recording
	for page := (store.Page{Limit: 200, Order: store.Ascending}); ; {
		list, err := d.store.Recordings(d.Context(), store.Filter{}, page)
		if err != nil {
			d.Fatal(err)
		}
		all = append(all, list.Data...)
		if page.Cursor = list.Next; page.Cursor == "" {
			return all
		}
	}
}

func doneOf(t *testing.T, j store.Job) importation.Done {
	t.Helper()
	done, found := importation.DoneOf(&j)
	if !found {
		t.Fatalf("job %+v tells nothing", j)
	}
	return done
}

func TestTextsBecomeRecordings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	long := strings.Repeat("a long sentence without an end ", 40_000)
	data := d.original(
		`INSERT INTO transcripts VALUES (1, 'good morning', 1500, '2025-07-15 08:30:01', '{"original_filename":"talk.m4a"}', NULL, NULL, '{"device":{"name":"USB microphone"}}')`,
		`INSERT INTO transcripts (id, text, duration_ms, created_at) VALUES (2, '', 900, '2025-07-15 09:00:00'), (3, 'when was this', 1, 'yesterday'), (4, '`+long+`', 60000, '2025-07-16 09:00:00')`,
		`CREATE TABLE llm_outputs (id INTEGER)`, `INSERT INTO llm_outputs VALUES (1)`,
	)
	p := d.start()
	done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded))
	if done.Recordings != 4 || done.Already != 0 || done.Undated != 1 || done.DoneItems != 4 || done.TotalItems != 4 || !reflect.DeepEqual(done.LeftOut, map[string]int{"llm_outputs": 1}) {
		t.Errorf("done: %+v", done)
	}
	all := d.recordings()
	if len(all) != 4 {
		t.Fatalf("%d recordings, want 4", len(all))
	}
	for _, r := range all {
		if r.Source != store.SourceImport || r.Client != "" || r.Audio != store.AudioRemoved {
			t.Errorf("recording %+v", r)
		}
	}
	r := all[1] // the first is undated
	if !r.StartedAt.Equal(time.Date(2025, 7, 15, 8, 30, 1, 0, time.UTC)) || r.Title != "talk.m4a" || r.Device != "USB microphone" || r.Duration != 1500*time.Millisecond {
		t.Errorf("recording %+v", r)
	}
	text, err := d.store.Transcript(t.Context(), store.MainKey(r.ID), 0)
	if err != nil || text.Text() != "good morning" || text.Kind != store.KindFirst || text.Segments[0].End != 1500*time.Millisecond {
		t.Errorf("text %+v (%v)", text, err)
	}
	whole, err := d.store.Transcript(t.Context(), store.MainKey(all[3].ID), 0)
	if err != nil || whole.Text() != strings.TrimSpace(long) {
		t.Errorf("the long text has %d bytes (%v), want %d", len(whole.Text()), err, len(long)-1)
	}
}

func TestTheSameFileAgainMakesNothingTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	p.Until(p.submit(d.original(many(45)), true).ID, store.JobSucceeded)
	before := d.recordings()
	again := doneOf(t, p.Until(p.submit(d.original(many(50)), true).ID, store.JobSucceeded)) // five more were dictated meanwhile
	if again.Recordings != 5 || again.Already != 45 {
		t.Errorf("the second time: %+v", again)
	}
	if all := d.recordings(); len(before) != 45 || len(all) != 50 {
		t.Errorf("%d recordings, then %d; want 45 and 50", len(before), len(all))
	}
}

// interrupting is a store that ends the process before a commit.
type interrupting struct {
	store.Store

	mu   sync.Mutex
	left int // commits of texts
	end  func()
}

func (s *interrupting) Update(ctx context.Context, change func(store.Tx) error) error {
	s.mu.Lock()
	s.left--
	over := s.left < 0
	s.mu.Unlock()
	if over {
		s.end()
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return s.Store.Update(ctx, change)
}

func TestAnInterruptedImportGoesOn(t *testing.T) {
	t.Parallel()
	for _, commits := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(commits), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			ended := make(chan struct{})
			first := d.start(func(o *importation.Options) {
				o.Store = &interrupting{Store: d.store, left: commits, end: sync.OnceFunc(func() { close(ended) })}
			})
			j := first.submit(d.original(many(95)), true)
			<-ended
			first.End()
			if n := len(d.recordings()); n != 20*commits {
				t.Errorf("%d recordings after %d commits, want %d", n, commits, 20*commits)
			}
			second := d.start()
			done := doneOf(t, second.Until(j.ID, store.JobSucceeded))
			if done.Recordings != 95 || done.Already != 0 || len(d.recordings()) != 95 {
				t.Errorf("done: %+v, and %d recordings", done, len(d.recordings()))
			}
		})
	}
}

func TestAudioComesAlong(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	wav := append([]byte("RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x00\x08\x00\x00"), make([]byte, 2048)...)
	sound, secret := filepath.Join(d.dir, "a.wav"), filepath.Join(d.dir, "secret")
	for path, data := range map[string][]byte{sound: wav, secret: []byte("a private key")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := d.original(`INSERT INTO transcripts (text, duration_ms, created_at, audio_path) VALUES ('with sound', 64, '2025-07-15 08:30:01', '` + sound + `'),
		('a secret', 64, '2025-07-15 08:30:02', '` + secret + `'), ('gone', 64, '2025-07-15 08:30:03', '/nowhere/b.wav'), ('a name', 64, '2025-07-15 08:30:04', 'c.wav'), ('a folder', 64, '2025-07-15 08:30:05', '` + d.dir + `')`)
	p := d.start()
	done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded))
	if done.Recordings != 5 || done.Audio != 1 || done.AudioMissing != 4 {
		t.Errorf("done: %+v", done)
	}
	all := d.recordings()
	r := all[0]
	got, err := os.ReadFile(d.folder.AudioPath(recording.ID(r.ID)))
	if err != nil || !bytes.Equal(got, wav) || r.Audio != store.AudioPresent || r.Source != store.SourceImport {
		t.Errorf("recording %+v: %d bytes (%v)", r, len(got), err)
	}
	if text, err := d.store.Transcript(t.Context(), store.MainKey(r.ID), 0); err != nil || text.Text() != "with sound" {
		t.Errorf("text %+v (%v)", text, err)
	}
	if _, err := os.Stat(sound); err != nil {
		t.Errorf("the file of the original Scout: %v", err)
	}
	// What is on the disk is what the store says.
	found, err := store.Reconcile(t.Context(), d.store, ondisk.Folders{{Folder: d.folder, Source: store.SourceImport}})
	if err != nil || found.New+found.Changed+found.Gone != 0 || len(found.Problems) != 0 {
		t.Errorf("the folder: %+v (%v)", found, err)
	}
	// Without the right to look at other files, only texts come.
	other := newDesk(t)
	q := other.start()
	if done := doneOf(t, q.Until(q.submit(data, false).ID, store.JobSucceeded)); done.Recordings != 5 || done.Audio != 0 || done.AudioMissing != 5 {
		t.Errorf("without audio: %+v", done)
	}
}

func TestAudioComesLater(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	sound := filepath.Join(d.dir, "a.flac")
	data := d.original(`INSERT INTO transcripts (text, duration_ms, created_at, audio_path) VALUES ('a', 1, '2025-07-15 08:30:01', '` + sound + `')`)
	p := d.start()
	if done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded)); done.Recordings != 1 || done.AudioMissing != 1 {
		t.Errorf("while the disk is away: %+v", done)
	}
	id := d.recordings()[0].ID
	if err := os.WriteFile(sound, []byte("fLaC and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	if done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded)); done.Recordings != 0 || done.Already != 1 || done.Audio != 1 || done.AudioMissing != 0 {
		t.Errorf("when it is back: %+v", done)
	}
	r, err := d.store.Recording(t.Context(), id)
	if err != nil || r.Audio != store.AudioPresent || r.Transcript == nil || r.Transcript.Version.Version != 1 || missing(d.folder.AudioPath(recording.ID(id))) {
		t.Errorf("recording %+v (%v)", r, err)
	}
	if done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded)); done.Already != 1 || done.Audio != 0 {
		t.Errorf("the third time: %+v", done)
	}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return os.IsNotExist(err)
}

// meanwhile is a store in which something happens while the jobs are read.
type meanwhile struct {
	store.Store

	happens func()
}

func (s *meanwhile) Jobs(ctx context.Context, f store.JobFilter, page store.Page) (store.Listing[store.Job], error) {
	list, err := s.Store.Jobs(ctx, f, page)
	s.happens()
	return list, err
}

func TestTheFileOfAJobThatIsJustMadeStays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	looks, goOn := make(chan struct{}), make(chan struct{})
	p := d.start(func(o *importation.Options) {
		o.Store = &meanwhile{Store: d.store, happens: func() {
			select {
			case looks <- struct{}{}:
				<-goOn
			case <-t.Context().Done():
			}
		}}
	})
	defer close(goOn)
	<-looks // the first look, at the start
	received, err := p.worker.Receive(t.Context(), bytes.NewReader(d.original(many(1))))
	if err != nil {
		t.Fatal(err)
	}
	other, err := p.worker.Receive(t.Context(), bytes.NewReader(d.original(many(2))))
	if err != nil {
		t.Fatal(err)
	}
	goOn <- struct{}{}
	other.Close() // wakes
	<-looks
	received.Keep() // its job is made behind the jobs that were read
	received.Close()
	goOn <- struct{}{}
	<-looks // the look before is over
	if missing(filepath.Join(d.folder.Dir(), ".incoming", received.File+".sqlite")) {
		t.Error("the file of a job that was just made is gone")
	}
}

func TestAFailedCommitLeavesNoAudioBehind(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	sound := filepath.Join(d.dir, "a.flac")
	if err := os.WriteFile(sound, []byte("fLaC and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	p := d.start(func(o *importation.Options) {
		o.Store = &interrupting{Store: d.store, left: 0, end: sync.OnceFunc(func() { close(ended) })}
	})
	p.submit(d.original(`INSERT INTO transcripts (text, duration_ms, created_at, audio_path) VALUES ('a', 1, '2025-07-15 08:30:01', '`+sound+`')`), true)
	<-ended
	p.End()
	list, problems, err := d.folder.List()
	if err != nil || len(list) != 0 || len(problems) != 0 {
		t.Errorf("the folder has %v and %v (%v), want nothing", list, problems, err)
	}
}

func TestFilesOfNoUseAreRefusedAndRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start(func(o *importation.Options) { o.MostBytes = 1 << 20 })
	received := func() []os.DirEntry {
		files, err := os.ReadDir(filepath.Join(d.folder.Dir(), ".incoming"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	for situation, c := range map[string]struct {
		data []byte
		want scout.Code
	}{
		"a text":         {[]byte("these are some words"), scout.CodeImportForeign},
		"nothing":        {nil, scout.CodeImportForeign},
		"a short file":   {[]byte("SQLite"), scout.CodeImportForeign},
		"too many bytes": {append([]byte("SQLite format 3\x00"), make([]byte, 1<<20)...), scout.CodeRequestTooLarge},
	} {
		if _, err := p.worker.Receive(t.Context(), bytes.NewReader(c.data)); scout.CodeOf(err) != c.want {
			t.Errorf("%s: error %v, want %s", situation, err, c.want)
		}
	}
	if left := received(); len(left) != 0 {
		t.Errorf("what was refused left %v", left)
	}
	damaged := d.original(many(2000))
	j := p.Until(p.submit(damaged[:len(damaged)/2], true).ID, store.JobDead)
	if j.Error == nil || j.Error.Code != scout.CodeImportCorrupt {
		t.Errorf("a damaged file: %+v", j.Error)
	}
	if n := len(d.recordings()); n != 0 {
		t.Errorf("a damaged file made %d recordings", n)
	}
	if len(received()) != 1 {
		t.Error("the file of a job that may be tried again is gone")
	}
	p.Until(p.submit(d.original(many(1)), true).ID, store.JobSucceeded)
	p.End()
	late := d.start(func(o *importation.Options) { o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } })
	for deadline := time.Now().Add(30 * time.Second); len(received()) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if left := received(); len(left) != 0 {
		t.Errorf("%v is kept for ever", left)
	}
	if _, err := late.Retry(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if j = late.Until(j.ID, store.JobDead); j.Error.Code != scout.CodeGone {
		t.Errorf("tried again without its file: %+v", j.Error)
	}
}

func TestATableThatWasRebuiltMakesNothingTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	for i, declared := range []string{
		`CREATE TABLE transcripts (id INTEGER PRIMARY KEY, text TEXT, duration_ms INTEGER, created_at TIMESTAMP)`,
		`CREATE TABLE transcripts (id INTEGER PRIMARY KEY, text TEXT, duration_ms INTEGER, created_at TEXT)`,
		`CREATE TABLE transcripts (id TEXT, text TEXT, duration_ms TEXT, created_at)`,
	} {
		at := []string{"2025-07-15 08:30:01", "2025-07-15T10:30:01+02:00", "2025-07-15T08:30:01Z"}[i]
		data, err := os.ReadFile(originaltest.Write(t, declared, `INSERT INTO transcripts VALUES (1, 'hello', 1000, '`+at+`')`))
		if err != nil {
			t.Fatal(err)
		}
		done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded))
		if n := len(d.recordings()); n != 1 || done.Recordings+done.Already != 1 {
			t.Errorf("%s: %d recordings, want 1; %+v", declared, n, done)
		}
	}
}

func TestIDsOfAnyKindComeToAnEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	data, err := os.ReadFile(originaltest.Write(t, `CREATE TABLE transcripts (id, text)`, `INSERT INTO transcripts VALUES ('5', 'a'), (0, 'b'), (-1, 'c'), (NULL, 'd'), (7, 'e'), (7, 'f'), (8, 'twice'), (8, 'twice')`))
	if err != nil {
		t.Fatal(err)
	}
	done := doneOf(t, p.Until(p.submit(data, true).ID, store.JobSucceeded))
	if n := len(d.recordings()); n != 7 || done.Recordings != 7 || done.Already != 1 || done.DoneItems != done.TotalItems {
		t.Errorf("%d recordings, want 7; %+v", n, done)
	}
}
