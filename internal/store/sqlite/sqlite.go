// Package sqlite keeps what Scout remembers in one SQLite file (docs/formats/store.md). One connection writes, a few read; a
// commit is on the disk before it is acknowledged (WAL, synchronous=FULL), and what is deleted is overwritten (secure_delete).
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/wake"
)

// FileName is the name of the database in the data folder.
const FileName = "scout.db"

// Options say how the database is opened. The zero value means the defaults beside each field.
type Options struct {
	Scope observe.Scope
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Elapsed is the time since the database was opened, which no setting of the clock changes. By default it goes by Now, if that is set;
	// otherwise it counts the time in which the machine sleeps, where the system can tell.
	Elapsed func() time.Duration
	// Busy is how long to wait for another program's lock; default 5 s.
	Busy time.Duration
	// OpenBusy is the same for opening the database; default Busy.
	OpenBusy time.Duration
	// Readers is the number of connections for reading; default 4.
	Readers int
	// MaxPages bounds the file, for tests of a full disk; default unlimited. A page has 4 KiB.
	MaxPages int
	// Reached is told of each step of a purge, for tests of crashes; default nobody.
	Reached func(step string)
}

// Store is an open database. It implements store.Store.
type Store struct {
	path    string
	file    os.FileInfo // of the file that is open
	now     func() time.Time
	opening time.Time // when it was opened, by that clock
	leaps   leaps
	elapsed func() time.Duration // since then
	lock    *fileLock
	metrics *metrics
	scope   observe.Scope

	reading connection
	readers chan *conn    // those that nobody uses; nil are not opened yet
	closed  chan struct{} // closed by release
	writer  *conn         // guarded by writing, as is events; nil when closed
	events  uint64        // written since the database was made
	clock   clock         // guarded by writing
	reached func(step string)

	writing sync.Mutex // held during Update, so that a second writer waits here and not in SQLite's retries

	lineVersion atomic.Uint64

	mu     sync.Mutex // guards what follows
	bells  map[string]*bell
	failed error // of the last write, nil after one that succeeded
	// damaged is damage that a read or a write has met; it stays until the database is opened again.
	damaged error
	// older is true where the database was an older one when it was opened.
	older bool
}

var _ store.Store = (*Store)(nil)

// bell wakes the readers of one stream.
type bell struct {
	wake.Bell
	listeners int
}

// Open opens the database at path and creates it, readable for its owner alone, if there is none; the folder must exist.
// One Store at a time has a file open: while another program has, Open gives scout.CodeStoreLocked. A file of an earlier
// version is brought up to date; one of a later version gives scout.CodeStoreNewer, a damaged one scout.CodeStoreCorrupt,
// and a file system without locks scout.CodeStoreUnsafe.
func Open(ctx context.Context, path string, options Options) (_ *Store, err error) {
	began := time.Now()
	if options.Elapsed == nil && options.Now == nil {
		options.Elapsed = sinceNow()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	opening := options.Now()
	if options.Elapsed == nil {
		options.Elapsed = func() time.Duration { return options.Now().Sub(opening) }
	}
	if options.Busy <= 0 {
		options.Busy = 5 * time.Second
	}
	if options.OpenBusy <= 0 {
		options.OpenBusy = options.Busy
	}
	if options.Reached == nil {
		options.Reached = func(string) {}
	}
	if options.Readers <= 0 {
		options.Readers = 4
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open database", err)
	}
	doing := "open database " + path
	s := &Store{path: path, now: options.Now, opening: opening.Round(0), elapsed: options.Elapsed, reached: options.Reached, scope: options.Scope.Component("store"), metrics: newMetrics(options.Scope), bells: make(map[string]*bell), closed: make(chan struct{})}
	s.lineVersion.Store(uint64(time.Now().UnixNano())) // another one than those of the stores before
	if s.lock, err = lockFile(path); err != nil {
		return nil, s.metrics.fail(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(s.metrics.fail(fail(doing, err)), s.release())
		}
	}()
	if err := errors.Join(removeLeftovers(path), prepareFile(path)); err != nil {
		return nil, err
	}
	if s.file, err = os.Stat(path); err != nil {
		return nil, err
	}
	s.reading = connection{busy: options.Busy, cacheKiB: 2 << 10, readOnly: true}
	s.readers = make(chan *conn, options.Readers)
	for range options.Readers {
		s.readers <- nil
	}
	if s.writer, err = connect(ctx, path, connection{busy: options.OpenBusy, cacheKiB: 8 << 10, maxPages: options.MaxPages}); err != nil {
		return nil, err
	}
	from, err := migrate(ctx, s.writer)
	if err == nil {
		err = errors.Join(s.countEvents(ctx), s.loadClock(ctx))
	}
	if err == nil {
		err = s.writer.run(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", options.Busy.Milliseconds()))
	}
	if err != nil {
		return nil, err
	}
	s.opened(from, time.Since(began))
	_ = s.FinishPurges(ctx) // a failure is counted and logged, and tried again
	return s, nil
}

// leaps is what is known of a clock that was set while the database was open.
type leaps struct {
	mu    sync.Mutex
	ahead time.Duration // by how much the clock is ahead of the time that passed since opening
	at    time.Duration // when it was seen to have leapt ahead, after opening
}

// smallLeap is the most by which a clock that nobody sets may run ahead between two looks at it.
const smallLeap = time.Second

// aged returns the time before which things are older than an age. A clock that leaps ahead while the database is open makes nothing
// old until the age has passed since the leap: then everything from before it is. A clock that is set back makes things younger.
func (s *Store) aged(age time.Duration) time.Time {
	now, elapsed := s.now().Round(0), s.elapsed()
	ahead := now.Sub(s.opening.Add(elapsed))
	l := &s.leaps
	l.mu.Lock()
	if ahead > l.ahead+smallLeap {
		l.at = elapsed
	}
	l.ahead = ahead
	leapt := ahead > 0 && elapsed-l.at < age
	l.mu.Unlock()
	if leapt {
		now = now.Add(-ahead)
	}
	return now.Add(-age)
}

// Path returns the path of the database.
func (s *Store) Path() string { return s.path }

// Close ends the store. The log of SQLite is written into the file.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.release()
}

// release closes what is open. Reads that have begun are waited for; later ones are refused.
func (s *Store) release() error {
	if s.lock.released() {
		return nil
	}
	close(s.closed)
	var errs []error
	for range cap(s.readers) {
		errs = append(errs, (<-s.readers).close())
	}
	writer := s.writer
	s.writer = nil
	err := fail("close database", errors.Join(append(errs, writer.close())...))
	return errors.Join(err, s.lock.close())
}

// Update runs change in a transaction.
func (s *Store) Update(ctx context.Context, change func(store.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return change(t) })
}

func (s *Store) update(ctx context.Context, change func(*tx) error) (err error) {
	began := time.Now()
	s.writing.Lock()
	defer s.writing.Unlock()
	const doing = "write to the database"
	defer func() { err = s.wrote(began, fail(doing, err)) }()
	if s.writer == nil {
		return errClosed()
	}
	if err := s.present(); err != nil {
		return err
	}
	now := s.now()
	t := &tx{view: view{ctx: ctx, short: context.WithoutCancel(ctx), conn: s.writer}, now: now, aged: s.aged, counted: s.clock.at(now, maxLeap), rung: make(map[string]bool), stale: make(map[int64]*freshRecording)}
	err = s.writer.transaction(ctx, "BEGIN IMMEDIATE", func() error {
		if err := change(t); err != nil {
			return err
		}
		return t.reindexStale()
	})
	if err != nil {
		return err
	}
	for _, committed := range t.committed {
		committed()
	}
	if t.jobsChanged {
		s.lineVersion.Add(1)
	}
	s.ring(t.rung)
	if t.appended > 0 {
		s.events += t.appended
		s.noteEvents()
	}
	return nil
}

// present returns an error where the file that is open is no longer the one at its path: what is written would be lost with the
// process.
func (s *Store) present() error {
	now, err := os.Stat(s.path)
	if err == nil && os.SameFile(now, s.file) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return store.Away(scout.FileError(scout.CodeReadFailed, "look for the database", err))
	}
	return store.Away(scout.Errorf(scout.CodeFileNotFound, "the database %s was deleted or replaced while Scout had it open", s.path).
		WithHint("put it back, or restore a backup: scout restore FILE"))
}

// read runs look on a snapshot.
func (s *Store) read(ctx context.Context, doing string, look func(view) error) (err error) {
	began := time.Now()
	defer func() { err = s.looked(began, fail(doing, err)) }()
	c, release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	return c.transaction(ctx, "BEGIN", func() error { return look(view{ctx: ctx, conn: c}) })
}

// Listen returns a channel that has a token after each commit that appended to the stream.
func (s *Store) Listen(stream string) (rung <-chan struct{}, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bells[stream]
	if b == nil {
		b = new(bell)
		s.bells[stream] = b
	}
	b.listeners++
	rung, unlisten := b.Listen()
	return rung, sync.OnceFunc(func() {
		unlisten()
		s.mu.Lock()
		defer s.mu.Unlock()
		if b.listeners--; b.listeners == 0 {
			delete(s.bells, stream)
		}
	})
}

func (s *Store) ring(streams map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for stream := range streams {
		if b := s.bells[stream]; b != nil {
			b.Ring()
		}
	}
}
