package upload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
	"github.com/scout-speech/scout/internal/upload"
)

// bench is a folder of uploads, its store and its queue.
type bench struct {
	*testing.T
	dir     string
	store   store.Store
	history *history.History
	jobs    *job.Queue
	uploads *upload.Uploads
	now     time.Time
	reserve int64
	refusal error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir(), now: time.Date(2026, 11, 28, 22, 0, 0, 0, time.UTC)}
	st := sqlitetest.Open(t, filepath.Join(b.dir, sqlite.FileName), sqlite.Options{})
	t.Cleanup(func() { _ = st.Close() }) // the test is over
	b.store = st
	b.jobs = job.New(job.Options{Store: st, Kinds: map[string]job.Work{job.KindTranscribe: func(context.Context, *job.Claimed) error { return nil }}})
	b.again()
	return b
}

// again opens the folder as the next process does.
func (b *bench) again() {
	b.Helper()
	folder, err := recording.OpenUploads(filepath.Join(b.dir, "uploads"))
	if err != nil {
		b.Fatal(err)
	}
	b.history = history.New(observe.Scope{}, b.store, ondisk.Folders{{Folder: folder, Source: store.SourceUpload}})
	b.uploads, err = upload.Open(upload.Options{
		Folder: folder, History: b.history, Jobs: b.jobs, Budget: freespace.NewBudget(b.dir, func() int64 { return b.reserve }),
		MostBytes: 1 << 20, Keep: time.Hour, Now: func() time.Time { return b.now },
		Refusal: func() error { return b.refusal },
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) create(length int64) upload.Status {
	b.Helper()
	s, _, err := b.uploads.Create(upload.Info{Length: length, Client: "key_a", Name: "talk.wav", Transcribe: true, Priority: job.Normal, Options: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// send appends bytes, and finishes an upload whose last byte is there.
func (b *bench) send(id, bytes string) upload.Status {
	b.Helper()
	w, err := b.uploads.Claim(b.Context(), id, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(strings.NewReader(bytes)); err != nil {
		b.Fatal(err)
	}
	s, err := w.Finish(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// sweep runs Run until what is due was done: nothing is left to be done at once.
func (b *bench) sweep(done func() bool) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.uploads.Run(ctx) }() // ended by cancel
	for !done() {
		time.Sleep(time.Millisecond) // nothing announces it
	}
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

func TestBytesSurviveTheProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.create(10).ID
	b.send(id, "abc")
	b.again()
	if s, err := b.uploads.Status(id); err != nil || s.Offset != 3 || s.Client != "key_a" {
		t.Fatalf("%+v, %v", s, err)
	}
	s := b.send(id, "defghij")
	if s.State != upload.Done || s.SHA256 != "72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf56b2106d06cb78b0" {
		t.Errorf("%+v", s)
	}
	b.again()
	if again, err := b.uploads.Status(id); err != nil || again.Job != s.Job || again.Recording != s.Recording || again.Offset != 10 {
		t.Errorf("%+v, %v", again, err)
	}
	r, err := b.store.Recording(t.Context(), s.Recording)
	if err != nil || r.Client != "key_a" || r.Title != "talk.wav" || r.Source != store.SourceUpload || r.Bytes != 10 {
		t.Errorf("%+v, %v", r, err)
	}
}

// While no uploads are taken, those that were begun go on, and the same request finds what it has begun.
func TestNoUploadIsBegun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const once = "a key"
	first, _, err := b.uploads.Create(upload.Info{Length: 10, Client: "key_a", Once: once, Transcribe: true, Priority: job.Normal, Options: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	b.refusal = scout.Errorf(scout.CodeUnavailable, "not now")
	if _, _, err := b.uploads.Create(upload.Info{Length: 10, Client: "key_a"}); !errors.Is(err, b.refusal) {
		t.Errorf("another one: %v", err)
	}
	if list := b.uploads.List(""); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if again, known, err := b.uploads.Create(upload.Info{Length: 10, Once: once}); err != nil || !known || again.ID != first.ID {
		t.Errorf("the same again: %+v, %t, %v", again, known, err)
	}
	if s := b.send(first.ID, "abcdefghij"); s.State != upload.Done || s.Job == "" {
		t.Errorf("%+v", s)
	}
	b.refusal = nil
	b.create(10)
}

// Bytes whose description cannot be read are not removed: nobody knows whether they were acknowledged. Health tells of them until somebody
// has mended or removed them, and no restart is needed then.
func TestADescriptionThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, other := b.create(10).ID, b.create(10).ID
	b.send(id, "abc")
	incoming := filepath.Join(b.dir, "uploads", ".incoming")
	description := filepath.Join(incoming, id+".json")
	before, err := os.ReadFile(description)
	if err != nil {
		t.Fatal(err)
	}
	check := func() health.Result { return b.uploads.Check().Probe(t.Context()) }
	for damaged, cause := range map[string]string{"": "it is damaged: ", "{": "it is damaged: ", `{"id":"upl_other"}`: `it is that of "upl_other"`} {
		if err := os.WriteFile(description, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		b.again()
		if _, err := b.uploads.Status(id); scout.CodeOf(err) != scout.CodeNotFound {
			t.Errorf("%q: %v", damaged, err)
		}
		if s, err := b.uploads.Status(other); err != nil || s.Offset != 0 {
			t.Errorf("%q: the other one: %+v, %v", damaged, s, err)
		}
		told := "uploads whose description cannot be read: 1, the first " + id + ": " + cause
		if r := check(); r.Status != health.Degraded || !strings.HasPrefix(r.Reason, told) || !strings.Contains(r.Reason, "uploads/.incoming") || r.Metadata["unread"] != "1" || strings.Contains(r.Reason, b.dir) {
			t.Errorf("%q: %+v, want %q", damaged, r, told)
		}
	}
	if err := os.WriteFile(description, before, 0o600); err != nil {
		t.Fatal(err)
	}
	b.sweep(func() bool { return check().Status == health.Healthy })
	if s, err := b.uploads.Status(id); err != nil || s.Offset != 3 {
		t.Errorf("%+v, %v", s, err)
	}

	for _, one := range []string{id, other} {
		path := filepath.Join(incoming, one+".json")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.again()
	if r := check(); r.Status != health.Degraded || !strings.Contains(r.Reason, ": 2, the first "+id+": it is a folder; ") {
		t.Errorf("two of them: %+v", r)
	}
	if err := os.RemoveAll(incoming); err != nil {
		t.Fatal(err)
	}
	b.sweep(func() bool { return check().Status == health.Healthy })
}

// Whenever the process ends between the last byte and the recording, the next one makes it, for the same client and once.
func TestACompleteFileBecomesARecordingAfterACrash(t *testing.T) {
	t.Parallel()
	for situation, crash := range map[string]func(b *bench, before, done upload.Status, bytes, info []byte){
		"before it was noted that it is complete": func(b *bench, s, done upload.Status, bytes, info []byte) {
			b.restore(s, bytes, info)
			b.remove(filepath.Join(b.dir, "uploads", done.Recording+".audio"), filepath.Join(b.dir, "uploads", done.Recording+".json"))
		},
		"between manifest and file": func(b *bench, s, done upload.Status, bytes, info []byte) {
			b.restore(s, bytes, info)
			b.remove(filepath.Join(b.dir, "uploads", done.Recording+".audio"))
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := b.create(3)
			path := filepath.Join(b.dir, "uploads", ".incoming", s.ID+".json")
			info, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			done := b.send(s.ID, "abc")
			if err := b.store.Purge(t.Context(), done.Recording); err != nil { // it was not committed either
				t.Fatal(err)
			}
			crash(b, s, done, []byte("abc"), info)
			b.again()
			if err := b.history.Run(t.Context()); err != nil { // the look at the folders at the start
				t.Fatal(err)
			}
			b.sweep(func() bool { now, err := b.uploads.Status(s.ID); return err == nil && now.State == upload.Done })
			r, err := b.store.Recording(t.Context(), s.Recording)
			if err != nil || r.Client != "key_a" || r.Title != "talk.wav" || r.Audio != store.AudioPresent || r.Bytes != 3 {
				t.Errorf("%+v, %v", r, err)
			}
			list, err := b.jobs.Jobs(t.Context(), store.JobFilter{Recording: s.Recording}, store.Page{})
			if err != nil || len(list.Data) != 1 || list.Data[0].Client != "key_a" {
				t.Errorf("%+v, %v", list.Data, err)
			}
		})
	}
}

// restore puts the files of an upload back as they were before it was finished.
func (b *bench) restore(s upload.Status, bytes, info []byte) {
	b.Helper()
	for name, content := range map[string][]byte{s.ID + ".part": bytes, s.ID + ".json": info} {
		if err := os.WriteFile(filepath.Join(b.dir, "uploads", ".incoming", name), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

func (b *bench) remove(paths ...string) {
	b.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}

func TestUploadsExpire(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	abandoned, finished := b.create(10), b.create(3)
	b.send(abandoned.ID, "abc")
	done := b.send(finished.ID, "abc")
	b.now = b.now.Add(59 * time.Minute)
	b.again() // the clock of the file system is another one than that of the test
	b.now = time.Now().Add(61 * time.Minute)
	if _, err := b.uploads.Claim(t.Context(), abandoned.ID, nil); scout.CodeOf(err) != scout.CodeGone {
		t.Errorf("before it was swept: %v", err)
	}
	b.sweep(func() bool {
		s, err := b.uploads.Status(abandoned.ID)
		_, gone := b.uploads.Status(finished.ID)
		return err == nil && s.State == upload.Expired && gone != nil
	})
	if _, err := b.uploads.Claim(t.Context(), abandoned.ID, nil); scout.CodeOf(err) != scout.CodeGone {
		t.Errorf("after that: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(b.dir, "uploads", ".incoming", "*.part")); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := b.store.Recording(t.Context(), done.Recording); err != nil {
		t.Errorf("the recording went with its upload: %v", err)
	}
}

// The room that the recorder needs is never given away, however many ask at the same moment.
func TestRoomForTheRecorderIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.create(1000).ID
	b.reserve = 1 << 60 // whatever others free meanwhile
	if _, _, err := b.uploads.Create(upload.Info{Length: 10}); scout.CodeOf(err) != scout.CodeDiskLow {
		t.Errorf("a file for which there is no room: %v", err)
	}
	w, err := b.uploads.Claim(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(strings.NewReader("abc")); scout.CodeOf(err) != scout.CodeDiskLow || w.Status().Offset != 0 {
		t.Errorf("bytes for which there is no room: %v, %+v", err, w.Status())
	}
	b.reserve = 0
	if err := w.Append(strings.NewReader("abc")); err != nil || w.Status().Offset != 3 {
		t.Errorf("with room again: %v, %+v", err, w.Status())
	}
}

// What comes before a failure is kept, and more than the length is not.
func TestWhatComesBeforeAFailureIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.create(100_000).ID
	w, err := b.uploads.Claim(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	broken := errors.New("the connection broke")
	if err := w.Append(&failing{bytes.NewReader(make([]byte, 40_000)), broken}); !errors.Is(err, broken) || w.Status().Offset != 40_000 {
		t.Errorf("%v, %+v", err, w.Status())
	}
	if err := w.Append(bytes.NewReader(make([]byte, 60_001))); scout.CodeOf(err) != scout.CodeRequestTooLarge || w.Status().Offset != 40_000 {
		t.Errorf("%v, %+v", err, w.Status())
	}
	if info, err := os.Stat(filepath.Join(b.dir, "uploads", ".incoming", id+".part")); err != nil || info.Size() != 40_000 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := w.Append(bytes.NewReader(make([]byte, 60_000))); err != nil {
		t.Error(err)
	}
	if s, err := w.Finish(t.Context()); err != nil || s.State != upload.Done || s.SHA256 != fmt.Sprintf("%x", sha256.Sum256(make([]byte, 100_000))) {
		t.Errorf("%+v, %v", s, err)
	}
}

// failing yields what it has, and then an error.
type failing struct {
	*bytes.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(p []byte) (int, error) {
	if f.Len() == 0 {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
