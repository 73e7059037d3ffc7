package storetest

import (
	"crypto/sha256"
	"reflect"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func accessKeys() map[string]func(*bench) {
	key := func(id, role string) store.AccessKey {
		return store.AccessKey{ID: id, Name: "of " + id, Role: role, Hash: sha256.Sum256([]byte(id)), RequestsPerMinute: 60}
	}
	all := func(b *bench) []store.AccessKey {
		b.Helper()
		keys, err := b.AccessKeys(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		return keys
	}
	put := func(b *bench, k store.AccessKey) (kept store.AccessKey) {
		b.Helper()
		b.update(func(tx store.Tx) (err error) { kept, err = tx.PutAccessKey(k); return err })
		return kept
	}
	return map[string]func(*bench){
		"keys are kept as they were, oldest first": func(b *bench) {
			if keys := all(b); len(keys) > 0 {
				b.Errorf("keys of nobody: %+v", keys)
			}
			second, first := key("key_a", store.RoleClient), key("key_b", store.RoleOwner)
			returned := []store.AccessKey{put(b, first)}
			b.clock.Set(epoch().Add(time.Second))
			returned = append(returned, put(b, second))
			keys := all(b)
			if !reflect.DeepEqual(keys, returned) {
				b.Errorf("it is kept as %+v, and was returned as %+v", keys, returned)
			}
			if len(keys) != 2 || !keys[0].CreatedAt.Equal(epoch()) || !keys[1].CreatedAt.Equal(epoch().Add(time.Second)) {
				b.Fatalf("%+v", keys)
			}
			keys[0].CreatedAt, keys[1].CreatedAt = time.Time{}, time.Time{}
			if want := []store.AccessKey{first, second}; !reflect.DeepEqual(keys, want) {
				b.Errorf("%+v, want %+v", keys, want)
			}
		},
		"a key that is deleted is gone, the others stay": func(b *bench) {
			put(b, key("key_a", store.RoleClient))
			put(b, key("key_b", store.RoleClient))
			b.update(func(tx store.Tx) error { return tx.DeleteAccessKey("key_a") })
			if keys := all(b); len(keys) != 1 || keys[0].ID != "key_b" {
				b.Errorf("%+v", keys)
			}
			b.fails(scout.CodeNotFound, func(tx store.Tx) error { return tx.DeleteAccessKey("key_a") })
		},
		"a key has an id and a role": func(b *bench) {
			for _, k := range []store.AccessKey{key("", store.RoleClient), key("key_a", ""), key("key_a", "admin"), {ID: "key_a", Role: store.RoleOwner, RequestsPerMinute: -1}} {
				b.fails(scout.CodeInvalidArgument, func(tx store.Tx) error { _, err := tx.PutAccessKey(k); return err })
			}
		},
		"the number of keys is bounded": func(b *bench) {
			b.update(func(tx store.Tx) error {
				for i := range store.MostAccessKeys {
					if _, err := tx.PutAccessKey(key(ID(i), store.RoleClient)); err != nil {
						return err
					}
				}
				return nil
			})
			b.fails(scout.CodeConflict, func(tx store.Tx) error { _, err := tx.PutAccessKey(key("key_a", store.RoleClient)); return err })
		},
	}
}
