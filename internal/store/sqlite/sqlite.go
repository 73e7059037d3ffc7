// Package sqlite keeps what Scout remembers in one SQLite file (docs/formats/store.md). One connection writes, a few read; a
// commit is on the disk before it is acknowledged (WAL, synchronous=FULL), and what is deleted is overwritten (secure_delete).
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

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
	// Busy is how long to wait for another program's lock; default 5 s.
	Busy time.Duration
	// Readers is the number of connections for reading; default 4.
	Readers int
	// MaxPages bounds the file, for tests of a full disk; default unlimited. A page has 4 KiB.
	MaxPages int
}

// Store is an open database. It implements store.Store.
type Store struct {
	path    string
	now     func() time.Time
	lock    *fileLock
	writer  *sql.DB // one connection
	readers *sql.DB
	metrics *metrics
	scope   observe.Scope

	writing sync.Mutex // held during Update, so that a second writer waits here and not in SQLite's retries

	mu     sync.Mutex // guards what follows
	bells  map[string]*bell
	failed error // of the last write, nil after one that succeeded
}

var _ store.Store = (*Store)(nil)

// bell wakes the readers of one stream.
type bell struct {
	wake.Bell
	listeners int
}

// querier is what a connection and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Open opens the database at path and creates it, readable for its owner alone, where there is none; the folder must exist.
// One Store at a time has a file open: while another program has, Open gives scout.CodeStoreLocked. A file of an earlier
// version is brought up to date; one of a later version gives scout.CodeStoreNewer, a damaged one scout.CodeStoreCorrupt,
// and a file system without locks scout.CodeStoreUnsafe.
func Open(ctx context.Context, path string, options Options) (_ *Store, err error) {
	began := time.Now()
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Busy <= 0 {
		options.Busy = 5 * time.Second
	}
	if options.Readers <= 0 {
		options.Readers = 4
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open database", err)
	}
	doing := "open database " + path
	s := &Store{path: path, now: options.Now, scope: options.Scope.Component("store"), metrics: newMetrics(options.Scope), bells: make(map[string]*bell)}
	if s.lock, err = lockFile(path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(s.metrics.fail(fail(doing, err)), s.release())
		}
	}()
	if err = prepareFile(path); err != nil {
		return nil, err
	}
	s.writer = connect(path, connection{busy: options.Busy, cacheKiB: 8 << 10, immediate: true, maxPages: options.MaxPages})
	s.writer.SetMaxOpenConns(1)
	s.readers = connect(path, connection{busy: options.Busy, cacheKiB: 2 << 10, readOnly: true})
	s.readers.SetMaxOpenConns(options.Readers)
	s.readers.SetMaxIdleConns(options.Readers)
	from, err := migrate(ctx, s.writer)
	if err != nil {
		return nil, err
	}
	if err := s.lock.note(stateOpen); err != nil {
		return nil, err
	}
	s.opened(from, time.Since(began))
	return s, nil
}

// connection are the properties of a pool of connections.
type connection struct {
	busy      time.Duration
	cacheKiB  int
	immediate bool // transactions write
	readOnly  bool
	maxPages  int
}

// connect returns a pool; it opens nothing yet.
func connect(path string, c connection) *sql.DB {
	query := url.Values{}
	pragma := func(format string, args ...any) { query.Add("_pragma", fmt.Sprintf(format, args...)) }
	pragma("busy_timeout(%d)", c.busy.Milliseconds())
	if c.readOnly {
		pragma("query_only(1)")
	} else {
		pragma("journal_mode(WAL)")
		pragma("synchronous(FULL)")
		pragma("secure_delete(1)")
		pragma("foreign_keys(1)")
		pragma("journal_size_limit(%d)", 16<<20)
	}
	if c.maxPages > 0 {
		pragma("max_page_count(%d)", c.maxPages)
	}
	pragma("temp_store(MEMORY)") // nothing that was said goes into other folders
	pragma("cache_size(-%d)", c.cacheKiB)
	if c.immediate {
		query.Set("_txlock", "immediate")
	}
	name := (&url.URL{Path: path}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+name+"?"+query.Encode())
	if err != nil { // only an unknown driver
		panic(err)
	}
	return db
}

// Path returns the path of the database.
func (s *Store) Path() string { return s.path }

// Close ends the store. The log of SQLite is written into the file.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, fail("close database", s.readers.Close()))
	}
	if s.writer != nil {
		errs = append(errs, fail("close database", s.writer.Close()))
	}
	return errors.Join(append(errs, s.lock.close())...)
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
	sqlTx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	t := &tx{view: view{ctx: ctx, q: sqlTx}, now: s.now(), rung: make(map[string]bool)}
	defer func() { // a panic of change leaves nothing behind either
		if t != nil {
			_ = sqlTx.Rollback() // nothing to save: the error says what happened
		}
	}()
	if err := change(t); err != nil {
		return err
	}
	if err := t.reindexStale(); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return err
	}
	rung := t.rung
	t = nil
	s.ring(rung)
	return nil
}

// read runs look on a snapshot.
func (s *Store) read(ctx context.Context, doing string, look func(view) error) (err error) {
	began := time.Now()
	defer func() { err = s.metrics.read(began, fail(doing, err)) }()
	sqlTx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = sqlTx.Rollback() }() // nothing was written
	return look(view{ctx: ctx, q: sqlTx})
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
