package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/scout-speech/scout"
)

// connection are the properties of a connection.
type connection struct {
	busy     time.Duration
	cacheKiB int
	readOnly bool
	// plain leaves the journal mode of the file as it is: for files that are copies.
	plain bool
	// damaged reads a file that is shorter than it says, which SQLite refuses otherwise.
	damaged  bool
	maxPages int
	// unchanging reads a file that nobody can change, without locks and log.
	unchanging bool
}

// conn is one connection with the statements that it has prepared: preparing takes longer than most of them run. It is for one
// goroutine at a time.
type conn struct {
	db    *sql.DB
	raw   *sql.Conn
	known map[string]*sql.Stmt
}

// maxStatements bounds the statements that a connection keeps. Listings with all combinations of filters have some hundred.
const maxStatements = 300

// connect opens a connection to the database at path.
func connect(ctx context.Context, path string, c connection) (*conn, error) {
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	if c.unchanging {
		name += "?immutable=1"
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	raw, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	opened := &conn{db: db, raw: raw, known: make(map[string]*sql.Stmt)}
	for _, pragma := range c.pragmas() {
		if err := opened.run(ctx, "PRAGMA "+pragma); err != nil {
			return nil, errors.Join(err, opened.close())
		}
	}
	return opened, nil
}

// lookInto opens a database from which is only read. On a disk that is mounted read-only, SQLite cannot make the files with which it follows other
// programs: there the file is read as it is, unless changes that are not in it yet lie in a log.
func lookInto(ctx context.Context, path string, c connection) (*conn, error) {
	opened, err := connect(ctx, path, c)
	if scout.CodeOf(fail("open", err)) != scout.CodeFilePermission {
		return opened, err
	}
	if log, statErr := os.Stat(path + walSuffix); statErr == nil && log.Size() > 0 {
		return nil, err
	}
	c.unchanging = true
	return connect(ctx, path, c)
}

// pragmas returns what is said to SQLite first, in this order.
func (c *connection) pragmas() []string {
	list := []string{fmt.Sprintf("busy_timeout = %d", c.busy.Milliseconds())}
	if c.damaged {
		list = append(list, "writable_schema = 1") // with query_only nothing is written
	}
	switch {
	case c.readOnly:
		list = append(list, "query_only = 1")
	case !c.plain:
		list = append(list, "journal_mode = WAL")
		fallthrough
	default:
		list = append(list, "synchronous = FULL", "secure_delete = 1", "foreign_keys = 1", fmt.Sprintf("journal_size_limit = %d", 16<<20))
	}
	if c.maxPages > 0 {
		list = append(list, fmt.Sprintf("max_page_count = %d", c.maxPages))
	}
	// With its temporary files in memory nothing that was said goes into other folders.
	return append(list, "temp_store = MEMORY", fmt.Sprintf("cache_size = -%d", c.cacheKiB))
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	for _, stmt := range c.known {
		_ = stmt.Close() // closing the connection frees what is left
	}
	return errors.Join(c.raw.Close(), c.db.Close())
}

// prepare returns the statement, which stays prepared.
func (c *conn) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, is := c.known[query]; is {
		return stmt, nil
	}
	if len(c.known) >= maxStatements {
		for other, stmt := range c.known { // any one
			_ = stmt.Close() // it is used by nobody
			delete(c.known, other)
			break
		}
	}
	stmt, err := c.raw.PrepareContext(ctx, query)
	if err == nil {
		c.known[query] = stmt
	}
	return stmt, err
}

// run executes a statement, or a script, that is needed once.
func (c *conn) run(ctx context.Context, script string) error {
	_, err := c.raw.ExecContext(ctx, script)
	return err
}

// transaction runs change between begin and COMMIT. The commit cannot be cancelled any more: its outcome would be unknown.
func (c *conn) transaction(ctx context.Context, begin string, change func() error) error {
	settled := context.WithoutCancel(ctx)
	committed := false
	defer func() {
		// Also when change panics, and when begin failed: a call that is cancelled may have begun the transaction all the same,
		// and the connection could never begin another one.
		if !committed {
			_ = c.run(settled, "ROLLBACK") // SQLite may have done it already
		}
	}()
	err := c.run(ctx, begin)
	if err == nil {
		err = change()
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = c.run(settled, "COMMIT")
		committed = err == nil
	}
	return err
}

// acquire returns a connection for reading and what gives it back.
func (s *Store) acquire(ctx context.Context) (*conn, func(), error) {
	select {
	case <-s.closed:
		return nil, nil, errClosed()
	default:
	}
	select {
	case c := <-s.readers:
		if c == nil { // not opened yet
			var err error
			if c, err = connect(ctx, s.path, s.reading); err != nil {
				s.readers <- nil
				return nil, nil, err
			}
		}
		return c, func() { s.readers <- c }, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	case <-s.closed:
		return nil, nil, errClosed()
	}
}

func errClosed() error {
	return scout.Errorf(scout.CodeCancelled, "the database is closed")
}
