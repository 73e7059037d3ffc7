package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// Titles returns the titles of all recordings of a database that nobody has open, or somebody else, by their ids: empty for a recording that has
// none. It changes nothing.
func Titles(ctx context.Context, path string) (map[string]string, error) {
	doing := "read the titles in " + path
	if err := regular(doing, path); err != nil {
		return nil, err
	}
	c, err := lookInto(ctx, path, connection{busy: time.Second, cacheKiB: 1 << 10, readOnly: true})
	if err != nil {
		return nil, fail(doing, err)
	}
	defer func() { _ = c.close() }() // only read
	titles := make(map[string]string)
	err = view{ctx: ctx, conn: c}.each(func(rows *sql.Rows) error {
		var id, title string
		err := rows.Scan(&id, &title)
		titles[id] = title
		return err
	}, "SELECT id, title FROM recordings")
	return titles, fail(doing, err)
}
