package original

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/scout-speech/scout"
)

// Copy writes the database at from into a new file, together with what lies in the log beside it, and without a transaction that was not ended:
// the original Scout may be running, or have crashed. It makes other files in the folder of the new one, which the caller removes.
//
//	scout.CodeImportForeign  it is no database
//	scout.CodeImportCorrupt  it is damaged
//	scout.CodeBusy           another program is writing into it
//	scout.CodeDiskFull       there is no room for the copy
func Copy(ctx context.Context, from, to string) error {
	err := vacuum(ctx, from, "mode=ro", to)
	if !isReadOnly(err) {
		return explain(ctx, err)
	}
	// What a crash has left must be written into the file before it can be read, or its folder cannot be written into. The original stays as it is.
	raw := to + "-raw"
	if from, err = filepath.EvalSymlinks(from); err != nil { // SQLite looks beside the file itself
		return scout.FileError(scout.CodeReadFailed, "copy the database", err)
	}
	for _, suffix := range []string{"", "-journal", "-wal"} {
		if err := copyFile(from+suffix, raw+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return scout.FileError(scout.CodeReadFailed, "copy the database", err)
		}
	}
	return explain(ctx, vacuum(ctx, raw, "mode=rw", to))
}

func vacuum(ctx context.Context, from, how, to string) error {
	db, err := connect(ctx, from, how)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "PRAGMA query_only = 0")
	if err == nil {
		_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	}
	return errors.Join(err, db.Close())
}

// isReadOnly reports whether SQLite had to write, and could not.
func isReadOnly(err error) bool {
	var failure *driver.Error
	return errors.As(err, &failure) && (failure.Code()&0xff == sqlite3.SQLITE_READONLY || failure.Code()&0xff == sqlite3.SQLITE_CANTOPEN)
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it was only read
	// Not by atomicfile: it is gone when the command ends.
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	_, err = io.Copy(target, source)
	return err
}
