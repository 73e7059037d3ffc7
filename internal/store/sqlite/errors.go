package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// fail names what was being done and gives the error its code. An error that has a code keeps it.
func fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	var coded *scout.Error
	var failure *sqlite.Error
	switch {
	case errors.As(err, &coded):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return scout.Errorf(scout.CodeOf(err), "%s: %w", doing, err)
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone), err.Error() == "sql: database is closed":
		return scout.Errorf(scout.CodeCancelled, "%s: the database is closed", doing)
	case !errors.As(err, &failure):
		return scout.FileError(scout.CodeInternal, doing, err)
	}
	if failure.Code()&0xff == sqlite3.SQLITE_INTERRUPT {
		return scout.Errorf(scout.CodeCancelled, "%s: cancelled", doing)
	}
	if away := awayFor(doing, failure, err); away != nil {
		return store.Away(away)
	}
	return scout.Errorf(scout.CodeInternal, "%s: %w", doing, err)
}

// awayFor is a failure that is the database's, its disk's or the machine's; nil for one that may lie in what was asked of it.
func awayFor(doing string, failure *sqlite.Error, err error) error {
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return scout.Errorf(scout.CodeStoreLocked, "%s: another program uses the database", doing)
	case sqlite3.SQLITE_CORRUPT:
		return scout.Errorf(scout.CodeStoreCorrupt, "%s: the database is damaged", doing)
	case sqlite3.SQLITE_NOTADB:
		return scout.Errorf(scout.CodeStoreCorrupt, "%s: the file is not a database, or its beginning is damaged", doing)
	case sqlite3.SQLITE_FULL:
		return scout.Errorf(scout.CodeDiskFull, "%s: the disk is full", doing)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return scout.Errorf(scout.CodeFilePermission, "%s: the database cannot be opened for writing", doing).
			WithHint("check the owner and mode of the data folder and its files, and whether its disk is mounted read-only")
	case sqlite3.SQLITE_NOMEM:
		return scout.Errorf(scout.CodeOutOfMemory, "%s: out of memory", doing)
	case sqlite3.SQLITE_IOERR:
		return scout.Errorf(ioCode(failure.Code()), "%s: the disk failed: %w", doing, err)
	}
	return nil
}

// isConstraint is true where a row was refused because its values cannot stand together.
func isConstraint(err error) bool {
	var failure *sqlite.Error
	return errors.As(err, &failure) && failure.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

// ioCode tells failed reads from failed writes.
func ioCode(extended int) scout.Code {
	switch extended {
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_FSTAT, sqlite3.SQLITE_IOERR_ACCESS:
		return scout.CodeReadFailed
	case sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK, sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
		sqlite3.SQLITE_IOERR_SHMLOCK, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_SHMOPEN:
		return scout.CodeStoreUnsafe
	case sqlite3.SQLITE_IOERR_NOMEM:
		return scout.CodeOutOfMemory
	}
	return scout.CodeWriteFailed
}
