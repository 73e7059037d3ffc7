package storetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func answers() map[string]func(*bench) {
	answer := store.Answer{Request: "hash", Recording: ID(1), Status: 201, Header: map[string]string{"ETag": `"1"`}, Body: json.RawMessage(`{"id":"x"}`)}
	get := func(b *bench, key string) (store.Answer, bool) {
		b.Helper()
		got, found, err := b.Answer(b.Context(), key)
		if err != nil {
			b.Fatal(err)
		}
		return got, found
	}
	keep := func(b *bench) {
		b.Helper()
		b.update(func(tx store.Tx) error { return tx.PutAnswer("key", answer) })
	}
	return map[string]func(*bench){
		"an answer is kept as it was": func(b *bench) {
			if _, found := get(b, "key"); found {
				b.Errorf("an answer was found before there was one")
			}
			keep(b)
			want := answer
			want.At = epoch()
			if got, found := get(b, "key"); !found || !got.At.Equal(want.At) {
				b.Errorf("%+v, %v", got, found)
			} else if got.At = want.At; !reflect.DeepEqual(got, want) {
				b.Errorf("%+v, want %+v", got, want)
			}
			if _, found := get(b, "another"); found {
				b.Errorf("another key has the answer")
			}
		},
		"an answer is kept only with the change that it tells of": func(b *bench) {
			failed := errors.New("the change failed")
			err := b.Update(b.Context(), func(tx store.Tx) error { return errors.Join(tx.PutAnswer("key", answer), failed) })
			if _, found := get(b, "key"); !errors.Is(err, failed) || found {
				b.Errorf("%v, found %v", err, found)
			}
		},
		"a key has one answer": func(b *bench) {
			keep(b)
			err := b.Update(b.Context(), func(tx store.Tx) error { return tx.PutAnswer("key", answer) })
			if scout.CodeOf(err) != scout.CodeConflict {
				b.Errorf("the second: %v", err)
			}
		},
		"that a request is carried out is replaced by its answer": func(b *bench) {
			begun := answer
			begun.Status, begun.Body = 0, json.RawMessage("null")
			for _, id := range []string{ID(1), ID(2), ""} {
				begun.Recording = id
				b.update(func(tx store.Tx) error { return tx.PutAnswer("key", begun) })
				if got, found := get(b, "key"); !found || got.Status != 0 || got.Recording != id {
					b.Errorf("%+v, %v", got, found)
				}
			}
			keep(b)
			if got, _ := get(b, "key"); got.Status != answer.Status || got.Recording != answer.Recording {
				b.Errorf("%+v", got)
			}
			if err := b.Update(b.Context(), func(tx store.Tx) error { return tx.PutAnswer("key", begun) }); scout.CodeOf(err) != scout.CodeConflict {
				b.Errorf("the answer was replaced: %v", err)
			}
		},
		"an answer is forgotten after a day": func(b *bench) {
			keep(b)
			b.clock.Set(epoch().Add(store.AnswersKept))
			if _, found := get(b, "key"); !found {
				b.Errorf("it was forgotten too early")
			}
			b.clock.Set(epoch().Add(store.AnswersKept + time.Millisecond))
			if _, found := get(b, "key"); found {
				b.Errorf("it is there after its time")
			}
			keep(b) // the key can be used again
		},
		"a purge takes the answers about a recording": func(b *bench) {
			b.put(1, "text")
			keep(b)
			b.update(func(tx store.Tx) error {
				other := answer
				other.Recording = ID(2)
				return tx.PutAnswer("other", other)
			})
			if err := b.Purge(b.Context(), ID(1)); err != nil {
				b.Fatal(err)
			}
			_, first := get(b, "key")
			if _, second := get(b, "other"); first || !second {
				b.Errorf("found %v and %v, want the other one alone", first, second)
			}
		},
	}
}
