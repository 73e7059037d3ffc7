package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events of the store; the message of the line.
const (
	eventStoreOpened   = "store_opened"
	eventStoreMigrated = "store_migrated"
	eventStorePurged   = "store_purged"
	eventStoreFailed   = "store_failed"
	eventStoreOlder    = "store_older"
)

type metrics struct {
	scope    observe.Scope
	writes   *metric.Histogram
	reads    *metric.Histogram
	lists    *metric.HistogramVec
	failures *metric.CounterVec
}

func newMetrics(s observe.Scope) *metrics {
	buckets := []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30}
	m := &metrics{
		scope: s.Component("store"),
		writes: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_store_write_seconds", Help: "Time of one transaction that changes the store, including the wait for its turn.", Buckets: buckets,
		})),
		reads: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_store_read_seconds", Help: "Time of one read of the store.", Buckets: buckets,
		})),
		lists: observe.Register(s, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_store_list_seconds", Help: "Time of one page of recordings or transcripts, with or without words to search for.", Buckets: buckets,
		}, []string{"search"})),
		failures: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_store_failures_total", Help: "Reads and writes of the store that failed, by error code, without mistakes of the caller.",
		}, []string{"code"})),
	}
	for _, code := range storeFailures() {
		m.failures.WithLabelValues(string(code))
	}
	return m
}

// storeFailures are the codes of failures that are the store's own.
func storeFailures() []scout.Code {
	return []scout.Code{
		scout.CodeStoreLocked, scout.CodeStoreCorrupt, scout.CodeStoreNewer, scout.CodeStoreForeign, scout.CodeStoreUnsafe, scout.CodeDiskFull,
		scout.CodeFilePermission, scout.CodeReadFailed, scout.CodeWriteFailed, scout.CodeOutOfMemory, scout.CodeInternal,
	}
}

// fail counts and logs a failure of the store itself and returns err.
func (m *metrics) fail(err error) error {
	code := scout.CodeOf(err)
	for _, own := range storeFailures() {
		if code == own {
			m.failures.WithLabelValues(string(code)).Inc()
			m.scope.Log().Error(eventStoreFailed, slog.String(observe.KeyCode, string(code)), slog.String(observe.KeyError, err.Error()))
		}
	}
	return err
}

// looked counts a look into the store and remembers damage for HealthCheck: it does not go away by itself.
func (s *Store) looked(began time.Time, err error) error {
	s.metrics.reads.Observe(time.Since(began).Seconds())
	if scout.CodeOf(err) == scout.CodeStoreCorrupt {
		s.mu.Lock()
		s.damaged = err
		s.mu.Unlock()
	}
	return s.metrics.fail(err)
}

func (m *metrics) listed(began time.Time, search bool) {
	label := "no"
	if search {
		label = "yes"
	}
	m.lists.WithLabelValues(label).Observe(time.Since(began).Seconds())
}

// wrote counts a transaction and remembers for Check how it went.
func (s *Store) wrote(began time.Time, err error) error {
	s.metrics.writes.Observe(time.Since(began).Seconds())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch code := scout.CodeOf(err); {
	case err == nil:
		s.failed = nil
	case code == scout.CodeStoreCorrupt:
		s.damaged = err
	case code == scout.CodeDiskFull, code == scout.CodeFilePermission, code == scout.CodeWriteFailed, code == scout.CodeReadFailed, code == scout.CodeStoreLocked:
		s.failed = err
	}
	return s.metrics.fail(err)
}

// opened logs what was found.
func (s *Store) opened(from int, took time.Duration) {
	if from != 0 && from != Version() {
		s.scope.Log().Info(eventStoreMigrated, slog.Int("from", from), slog.Int("to", Version()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
	}
	s.scope.Log().Info(eventStoreOpened, slog.Int("version", Version()), slog.Bool("created", from == 0), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
}

// countEvents compares the database with what was noted after the last commit. Where it is older, what was lost cannot be known;
// numbers of events that are lost must not be used again.
func (s *Store) countEvents(ctx context.Context) error {
	count := func() error {
		return view{ctx: ctx, conn: s.writer}.row("SELECT coalesce(sum(last), 0) FROM streams").Scan(&s.events)
	}
	if err := count(); err != nil {
		return err
	}
	if s.events < s.lock.events {
		s.older = true
		s.scope.Log().Error(eventStoreOlder, slog.Uint64("events", s.events), slog.Uint64("expected", s.lock.events))
		err := s.writer.transaction(ctx, "BEGIN IMMEDIATE", func() error { return leapJournal(view{ctx: ctx, conn: s.writer}) })
		if err == nil {
			err = count()
		}
		if err != nil {
			return err
		}
	}
	return s.lock.note(s.events)
}

// noteEvents is called after a commit, which a failure here does not undo.
func (s *Store) noteEvents() {
	if err := s.lock.note(s.events); err != nil {
		_ = s.metrics.fail(err) // counted and logged
	}
}

// HealthCheck looks whether the store can be read, whether its disk can be written to, and whether the last write succeeded.
func (s *Store) HealthCheck() health.Check {
	return health.Check{Name: "store", Critical: true, Probe: func(ctx context.Context) health.Result {
		err := s.read(ctx, "look into the database", func(v view) error {
			var n int
			return v.row("SELECT EXISTS (SELECT 1 FROM streams)").Scan(&n)
		})
		if missing := s.present(); missing != nil {
			err = missing
		}
		if readOnly := unix.Access(s.path, unix.W_OK); err == nil && errors.Is(readOnly, unix.EROFS) { // before the first word that cannot be saved
			err = scout.FileError(scout.CodeWriteFailed, "write to the database", readOnly)
		}
		if err != nil {
			return health.Failed(err)
		}
		s.mu.Lock()
		failed, older, damaged := s.failed, s.older, s.damaged
		s.mu.Unlock()
		switch {
		case damaged != nil:
			return health.Failed(damaged)
		case failed != nil:
			return health.Failed(failed)
		case older:
			return health.Result{Status: health.Degraded, Reason: "the database is older than when Scout last used it: its log was deleted or damaged, or a copy was put in its place"}
		}
		return health.Result{Status: health.Healthy}
	}}
}
