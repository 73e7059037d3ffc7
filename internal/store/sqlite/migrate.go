package sqlite

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"github.com/scout-speech/scout"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as Scout's: "Scou".
const applicationID = 0x53636f75

// scripts returns the migrations in order: the first one leads to version 1.
func scripts() ([]string, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	list := make([]string, len(names))
	for i, name := range names {
		script, err := migrations.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		list[i] = string(script)
	}
	return list, nil
}

// Version is the version of the schema that this program writes.
func Version() int {
	names, _ := fs.Glob(migrations, "migrations/*.sql") // the pattern is good
	return len(names)
}

// migrate brings the database to the version of this program, in one transaction: a crash leaves the old version or the
// new one. A file of a later version gives scout.CodeStoreNewer and is not touched, one that is not Scout's
// scout.CodeStoreForeign. It returns the version that was found; 0 is a new file.
func migrate(ctx context.Context, c *conn) (from int, err error) {
	list, err := scripts()
	if err != nil {
		return 0, err
	}
	if from, err = readVersion(ctx, c); err != nil || from == len(list) {
		return from, err
	}
	err = c.transaction(ctx, "BEGIN IMMEDIATE", func() error {
		if from, err = readVersion(ctx, c); err != nil { // another program may have been quicker
			return err
		}
		for i := from; i < len(list); i++ {
			if err := c.run(ctx, list[i]); err != nil {
				return fmt.Errorf("migrate to version %d: %w", i+1, err)
			}
		}
		return c.run(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(list)))
	})
	return from, err
}

// readVersion returns the version of the schema, 0 for a file without any table.
func readVersion(ctx context.Context, c *conn) (int, error) {
	var application, version, objects int
	for pragma, into := range map[string]*int{"PRAGMA application_id": &application, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &objects} {
		if err := c.raw.QueryRowContext(ctx, pragma).Scan(into); err != nil {
			return 0, err
		}
	}
	switch {
	case application == 0 && version == 0 && objects == 0:
		return 0, nil
	case application != applicationID:
		return 0, scout.Errorf(scout.CodeStoreForeign, "the database was not made by Scout")
	case version > Version():
		return 0, scout.Errorf(scout.CodeStoreNewer, "the database has version %d; this program knows versions up to %d", version, Version())
	}
	return version, nil
}
