package sqlite

import (
	"context"
	"database/sql"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// AccessKeys returns all keys, oldest first.
func (s *Store) AccessKeys(ctx context.Context) (keys []store.AccessKey, err error) {
	err = s.read(ctx, "read the keys", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var k store.AccessKey
			var hash []byte
			var at sql.NullInt64
			if err := rows.Scan(&k.ID, &k.Name, &k.Role, &hash, &k.RequestsPerMinute, &at); err != nil {
				return err
			}
			if copy(k.Hash[:], hash) != len(k.Hash) { // nothing has a shorter one
				return scout.Errorf(scout.CodeStoreCorrupt, "the key %s is damaged", k.ID)
			}
			k.CreatedAt = fromMillis(at)
			keys = append(keys, k)
			return nil
		}, "SELECT id, name, role, hash, requests_per_minute, created_at FROM access_keys ORDER BY created_at, id")
	})
	return keys, err
}

// PutAccessKey adds a key.
func (t *tx) PutAccessKey(k store.AccessKey) (store.AccessKey, error) {
	if k.ID == "" || k.Role != store.RoleOwner && k.Role != store.RoleClient || k.RequestsPerMinute < 0 {
		return k, scout.Errorf(scout.CodeInvalidArgument, "a key has an id and the role %s or %s", store.RoleOwner, store.RoleClient)
	}
	var count int
	if err := t.row("SELECT count(*) FROM access_keys").Scan(&count); err != nil {
		return k, err
	}
	if count >= store.MostAccessKeys {
		return k, scout.Errorf(scout.CodeConflict, "there are %d keys, which is the limit", count).WithHint("delete some that nobody uses: scout keys delete ID")
	}
	at := t.now.UnixMilli()
	k.CreatedAt = fromMillis(sql.NullInt64{Int64: at, Valid: true})
	return k, t.exec("INSERT INTO access_keys (id, name, role, hash, requests_per_minute, created_at) VALUES (?, ?, ?, ?, ?, ?)",
		k.ID, k.Name, k.Role, k.Hash[:], k.RequestsPerMinute, at)
}

// DeleteAccessKey removes a key.
func (t *tx) DeleteAccessKey(id string) error {
	var there bool
	if err := t.row("SELECT EXISTS (SELECT 1 FROM access_keys WHERE id = ?)", id).Scan(&there); err != nil {
		return err
	}
	if !there {
		return scout.Errorf(scout.CodeNotFound, "there is no key %q", id).WithHint("see the keys: scout keys list")
	}
	return t.exec("DELETE FROM access_keys WHERE id = ?", id)
}
