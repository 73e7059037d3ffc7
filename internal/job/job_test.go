package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
	"github.com/scout-speech/scout/internal/store/storetest"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	testrun.Rounds(30)
	os.Exit(m.Run())
}

// open opens an empty database and closes it when the test ends.
func open(t testing.TB, now func() time.Time) store.Store {
	t.Helper()
	s := sqlitetest.Open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{Now: now})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	jobtest.Run(t, open)
}

// What a job was told and what it has made is in no byte of the files after its recording was purged.
func TestAPurgeTakesJobsAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	defer func() { _ = st.Close() }() // the test is over
	err := st.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.PutRecording(storetest.Recording(1))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	q := queueOf(st, job.Limits{})
	for i := range 50 { // so that pages are split
		o := job.Order{Kind: job.KindTranscribe, Recording: storetest.ID(1), Options: json.RawMessage(fmt.Sprintf(`{"keywords":["Zanzibar %d"]}`, i))}
		if _, _, err := q.Submit(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	c, err := q.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := c.Save(t.Context(), json.RawMessage(fmt.Sprintf(`{"last":"Zanzibar %d"}`, i)), 0, json.RawMessage(`["`+strings.Repeat("Zanzibar ", 20)+`"]`)); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (where []string) {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte("Zanzibar")) {
				where = append(where, file)
			}
		}
		return where
	}
	if len(found()) == 0 {
		t.Fatal("the test does not find what is there")
	}
	if err := st.Purge(t.Context(), storetest.ID(1)); err != nil {
		t.Fatal(err)
	}
	if where := found(); len(where) > 0 {
		t.Errorf("it is in %v", where)
	}
}

// The number of jobs that run at the same time can be lowered, to none as well, and raised again.
func TestLimit(t *testing.T) {
	t.Parallel()
	begun, end := make(chan string), make(chan struct{})
	st := open(t, nil)
	q := job.New(job.Options{Store: st, AtOnce: 2, Kinds: map[string]job.Work{job.KindTranscribe: func(ctx context.Context, c *job.Claimed) error {
		begun <- c.Job.ID
		<-end
		return st.Update(ctx, func(tx store.Tx) error { return c.Finish(tx, 1) })
	}}})
	running, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	q.Limit(1)
	for range 4 {
		if _, _, err := q.Submit(t.Context(), job.Order{Kind: job.KindTranscribe}); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		state, err := q.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state.Counts[store.JobRunning]
	}
	for range 2 {
		<-begun
		if n := count(); n != 1 {
			t.Errorf("%d run at the same time", n)
		}
		end <- struct{}{}
	}
	<-begun
	q.Limit(-1)
	end <- struct{}{}
	for count() > 0 {
		time.Sleep(time.Millisecond)
	}
	q.Limit(0)
	<-begun // the one that was not begun before
	end <- struct{}{}
	for range 2 {
		if _, _, err := q.Submit(t.Context(), job.Order{Kind: job.KindTranscribe}); err != nil {
			t.Fatal(err)
		}
	}
	<-begun
	<-begun // beside the other one
	close(end)
}
