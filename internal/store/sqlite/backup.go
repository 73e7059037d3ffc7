package sqlite

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// Backup writes a copy of the database as it is now to a new file, checks it, and makes it durable. Others read and write
// meanwhile. The file is readable for its owner alone. An existing one is left alone and gives scout.CodeInvalidArgument.
func (s *Store) Backup(ctx context.Context, to string) (Report, error) {
	report, err := copyTo(ctx, s.path, to, nil)
	return report, s.metrics.fail(err)
}

// copyTo writes a checked copy of the database at from to a new file. prepare, which may be nil, changes the copy first.
func copyTo(ctx context.Context, from, to string, prepare func(*conn) error) (report Report, err error) {
	doing := "copy database to " + to
	if _, err := os.Lstat(to); err == nil {
		return report, scout.Errorf(scout.CodeInvalidArgument, "%s: there is a file of that name already", doing).WithHint("choose another name, or move that file away")
	}
	temporary, err := temporaryBeside(to)
	if err != nil {
		return report, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	defer func() { err = errors.Join(err, removeDatabase(temporary)) }()
	if err := vacuumInto(ctx, from, temporary, prepare); err != nil {
		return report, fail(doing, err)
	}
	if report, err = CheckFile(ctx, temporary); err == nil {
		err = report.Err(to)
	}
	if err == nil {
		err = plainCause(publish(temporary, to))
	}
	return report, fail(doing, err)
}

// temporaryBeside makes an empty file in the same folder, readable for its owner alone.
func temporaryBeside(path string) (string, error) {
	// Not by atomicfile: SQLite writes into it.
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*"+atomicfile.Suffix)
	if err != nil {
		return "", plainCause(err)
	}
	return file.Name(), file.Close()
}

// plainCause drops the names of temporary files from an error.
func plainCause(err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		return file.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

func removeDatabase(path string) error {
	var errs []error
	for _, suffix := range []string{"", walSuffix, shmSuffix, "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, scout.FileError(scout.CodeWriteFailed, "remove temporary file", err))
		}
	}
	return errors.Join(errs...)
}

// vacuumInto writes what the database holds into an empty file.
func vacuumInto(ctx context.Context, from, to string, prepare func(*conn) error) (err error) {
	source, err := lookInto(ctx, from, connection{busy: 5 * time.Second, cacheKiB: 2 << 10, plain: true})
	if err != nil {
		return err
	}
	_, err = source.raw.ExecContext(ctx, "VACUUM INTO ?", to)
	if err = errors.Join(err, source.close()); err != nil || prepare == nil {
		return err
	}
	copied, err := connect(ctx, to, connection{busy: 5 * time.Second, cacheKiB: 2 << 10, plain: true})
	if err != nil {
		return err
	}
	return errors.Join(prepare(copied), copied.close())
}

// publish syncs a file and gives it its name, which nobody may have taken meanwhile.
func publish(temporary, path string) error {
	if err := syncFile(temporary); err != nil {
		return err
	}
	system := atomicfile.OS{}
	if err := system.RenameNew(temporary, path); err != nil {
		return err
	}
	return system.SyncFolder(filepath.Dir(path))
}

func syncFile(path string) error {
	// Not by atomicfile: SQLite has written it; this makes it durable.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// keptLayout is the time in the name of a database that Restore replaced.
const keptLayout = ".before-20060102T150405.000Z"

// keptGlob finds such databases, with the files beside them.
const keptGlob = ".before-[0-9]*"

// Restore puts the database that is in backup in the place of the one at path, which must not be open. It checks the backup
// first. What was there before stays under another name, which is returned; it is empty where there was nothing. After a crash
// at any moment the old database is there or the restored one.
//
// The events of the journal are left out, and their numbers leap ahead: readers of the old ones are told to begin again.
func Restore(ctx context.Context, backup, path string, now time.Time) (kept string, err error) {
	doing := "restore database " + path
	report, err := CheckFile(ctx, backup)
	if err == nil {
		err = report.Err(backup)
	}
	if err != nil {
		return "", err
	}
	lock, err := lockFile(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.close()) }()
	temporary, err := temporaryBeside(path)
	if err != nil {
		return "", scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	defer func() { err = errors.Join(err, removeDatabase(temporary)) }()
	err = vacuumInto(ctx, backup, temporary, func(c *conn) error {
		_, err := migrate(ctx, c)
		return errors.Join(err, c.transaction(ctx, "BEGIN IMMEDIATE", func() error { return leapJournal(view{ctx: ctx, conn: c}) }))
	})
	if err == nil {
		err = plainCause(syncFile(temporary))
	}
	if err != nil {
		return "", fail(doing, err)
	}
	kept, err = keep(ctx, path, path+now.UTC().Format(keptLayout))
	if err == nil {
		// Not by atomicfile: SQLite has written it, and it is synced and checked.
		err = plainCause(os.Rename(temporary, path))
	}
	if err == nil {
		err = atomicfile.OS{}.SyncFolder(filepath.Dir(path))
	}
	if err == nil {
		err = lock.note(0)
	}
	return kept, scout.FileError(scout.CodeWriteFailed, doing, err)
}

// keep gives the database at path a second name, with its log where it has one.
func keep(ctx context.Context, path, name string) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	// A sound database takes its log in when it is closed; that of a damaged one is kept beside it. The log must go before the
	// new database gets its name: SQLite would apply it to that one.
	if c, err := connect(ctx, path, connection{busy: time.Second, cacheKiB: 2 << 10}); err == nil {
		_ = c.run(ctx, "PRAGMA wal_checkpoint(TRUNCATE)") // then the log stays
		_ = c.close()
	}
	if err := linkOrCopy(path, name); err != nil {
		return "", err
	}
	if info, err := os.Stat(path + walSuffix); err == nil && info.Size() > 0 {
		// Not by atomicfile: the log goes with its database.
		if err := os.Rename(path+walSuffix, name+walSuffix); err != nil {
			return "", err
		}
	}
	for _, suffix := range []string{walSuffix, shmSuffix} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return name, atomicfile.OS{}.SyncFolder(filepath.Dir(path))
}

// linkOrCopy copies where the file system has no links.
func linkOrCopy(from, to string) error {
	// Not by atomicfile: a second name, not a copy.
	if err := os.Link(from, to); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.WriteFrom(to, atomicfile.Options{Mode: atomicfile.Private, Exclusive: true}, func(w io.Writer) error {
		file, err := os.Open(from)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, file)
		return errors.Join(err, file.Close())
	})
}

// journalLeap is how far the numbers of events leap when some of them may be lost: further than any stream can have been ahead.
const journalLeap = 1_000_000

// leapJournal removes the events and makes their numbers continue far ahead, so that no number is used twice: readers of a number
// that is lost are told to begin again. Checkpoints go with the events that they build on: their producers begin again too.
func leapJournal(v view) error {
	if err := v.exec("DELETE FROM events"); err != nil {
		return err
	}
	return v.exec("UPDATE streams SET first = last + ?1 + 1, last = last + ?1, checkpoint = NULL", journalLeap)
}
