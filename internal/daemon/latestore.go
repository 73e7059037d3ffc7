package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// eventStoreLate is logged when a database that could not be opened at the start was opened after all.
const eventStoreLate = "store_opened_late"

const (
	// A database that cannot be opened is tried again after firstTry, twice that, and so on up to lastTry.
	firstTry = 250 * time.Millisecond
	lastTry  = 5 * time.Second
	// replacedEvery is how often to look whether another file has taken the place of the database. Nothing announces it.
	replacedEvery = 10 * time.Second
)

// lateStore is the store of a daemon. The database may not be there when the daemon starts: another program has it locked, its
// disk is full, read-only or not mounted. Then every call returns the reason, until a later attempt to open it succeeds.
type lateStore struct {
	open   func(ctx context.Context) (*sqlite.Store, error)
	path   string
	log    *slog.Logger
	opened chan struct{} // closed when there is a database

	mu     sync.Mutex
	there  *sqlite.Store // nil for none
	closed closedStore   // why
	file   os.FileInfo   // of there
	over   bool
}

var _ store.Store = (*lateStore)(nil)

// openStore opens the database, or returns a store without one and why. Run goes on trying.
func openStore(ctx context.Context, dir string, scope observe.Scope) (*lateStore, error) {
	path := filepath.Join(dir, sqlite.FileName)
	l := &lateStore{
		path: path, log: scope.Component("daemon").Log(), opened: make(chan struct{}),
		open: func(ctx context.Context) (*sqlite.Store, error) {
			return sqlite.Open(ctx, path, sqlite.Options{Scope: scope, OpenBusy: openBusy})
		},
	}
	err := l.try(ctx)
	return l, err
}

// try opens the database.
func (l *lateStore) try(ctx context.Context) error {
	st, err := l.open(ctx)
	var file os.FileInfo
	if err == nil {
		file, _ = os.Stat(l.path) // nil never equals another one
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.over {
		return errors.Join(st.Close(), scout.Errorf(scout.CodeCancelled, "the daemon is ending"))
	}
	if err != nil {
		l.closed = closedStore{store.Away(notOpen(err))}
		return err
	}
	l.there, l.file = st, file
	select {
	case <-l.opened:
	default:
		close(l.opened)
	}
	return nil
}

// notOpen is what a client is told while the database cannot be opened. What passes by itself, or when a person has put it right
// without Scout, is temporary: the same request works later.
func notOpen(err error) error {
	switch scout.CodeOf(err) {
	case scout.CodeStoreCorrupt, scout.CodeStoreNewer, scout.CodeStoreForeign, scout.CodeStoreUnsafe:
		return err
	case scout.CodeStoreLocked:
		return scout.Errorf(scout.CodeStoreLocked, "%w", err).WithHint("%s; Scout goes on as soon as it can", scout.HintOf(err))
	}
	hint := scout.HintOf(err)
	if hint != "" {
		hint += "; "
	}
	return scout.Errorf(scout.CodeUnavailable, "%w", err).WithHint("%sScout goes on as soon as it can", hint)
}

// Run opens the database as soon as that is possible, and calls late then. It opens one that takes the place of another, too.
// It returns when ctx ends.
func (l *lateStore) Run(ctx context.Context, late func(ctx context.Context)) error {
	pause := firstTry
	for {
		wait := replacedEvery
		if l.database() == nil {
			wait = pause
			pause = min(2*pause, lastTry)
		} else {
			pause = firstTry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		l.giveUpReplaced()
		if l.database() != nil {
			continue
		}
		began := time.Now()
		if err := l.try(ctx); err == nil {
			l.log.Info(eventStoreLate, slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
			late(ctx)
		}
	}
}

// giveUpReplaced closes a database in whose place there is another file: what is written to it would be lost.
func (l *lateStore) giveUpReplaced() {
	l.mu.Lock()
	st, file := l.there, l.file
	l.mu.Unlock()
	now, err := os.Stat(l.path)
	if st == nil || err != nil || file == nil || os.SameFile(now, file) {
		return
	}
	l.mu.Lock()
	l.there, l.closed = nil, closedStore{store.Away(notOpen(scout.Errorf(scout.CodeStoreLocked, "the database was replaced while Scout had it open")))}
	l.mu.Unlock()
	_ = st.Close() // nobody reads the file any more
}

// database returns the database; nil while there is none.
func (l *lateStore) database() *sqlite.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.there
}

// present returns the database, or what returns why there is none.
func (l *lateStore) present() store.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.there != nil {
		return l.there
	}
	return l.closed
}

// Listen implements store.Store. Who listens before there is a database is woken when there is one, and hears it from then on.
func (l *lateStore) Listen(stream string) (rung <-chan struct{}, end func()) {
	if st := l.database(); st != nil {
		return st.Listen(stream)
	}
	out, done := make(chan struct{}, 1), make(chan struct{})
	ring := func() {
		select {
		case out <- struct{}{}:
		default: // one is waiting
		}
	}
	go func() { // ended by end
		select {
		case <-l.opened:
		case <-done:
			return
		}
		rung, end := l.present().Listen(stream)
		defer end()
		ring()
		for {
			select {
			case <-rung:
				ring()
			case <-done:
				return
			}
		}
	}()
	return out, sync.OnceFunc(func() { close(done) })
}

// Close implements store.Store.
func (l *lateStore) Close() error {
	l.mu.Lock()
	l.over = true
	st := l.there
	l.there, l.closed = nil, closedStore{store.Away(scout.Errorf(scout.CodeUnavailable, "the daemon is ending"))}
	l.mu.Unlock()
	if st == nil {
		return nil
	}
	return st.Close()
}

// Check returns the check of the database.
func (l *lateStore) Check() health.Check {
	return health.Check{Name: "store", Critical: true, Probe: func(ctx context.Context) health.Result {
		st := l.database()
		if st == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			return health.Failed(l.closed.err)
		}
		return st.HealthCheck().Probe(ctx)
	}}
}

// Backup writes a copy of the database.
func (l *lateStore) Backup(ctx context.Context, path string) error {
	st := l.database()
	if st == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.closed.err
	}
	report, err := st.Backup(ctx, path)
	if err == nil {
		err = report.Err("the database")
	}
	return err
}
