package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Answer returns the answer that a key got.
func (s *Store) Answer(ctx context.Context, key string) (answer store.Answer, found bool, err error) {
	err = s.read(ctx, "look for an earlier answer", func(v view) error {
		var at sql.NullInt64
		var header string
		var body []byte
		err := v.row("SELECT at, request, recording, status, header, body FROM answers WHERE key = ? AND at >= ?", key, s.aged(store.AnswersKept).UnixMilli()).
			Scan(&at, &answer.Request, &answer.Recording, &answer.Status, &header, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		found, answer.At, answer.Body = true, fromMillis(at), body
		return json.Unmarshal([]byte(header), &answer.Header)
	})
	return answer, found, err
}

// PutAnswer keeps the answer that a key got, and removes those that are past their time.
func (t *tx) PutAnswer(key string, answer store.Answer) error {
	if key == "" || !json.Valid(answer.Body) {
		return scout.Errorf(scout.CodeInvalidArgument, "an answer has a key and a body of JSON")
	}
	if err := t.exec("DELETE FROM answers WHERE at < ?", t.aged(store.AnswersKept).UnixMilli()); err != nil {
		return err
	}
	var there bool
	if err := t.row("SELECT EXISTS (SELECT 1 FROM answers WHERE key = ? AND status <> 0)", key).Scan(&there); err != nil {
		return err
	}
	if there {
		return scout.Errorf(scout.CodeConflict, "the request was carried out already")
	}
	header, err := json.Marshal(answer.Header)
	if err != nil {
		return err
	}
	return t.exec("INSERT OR REPLACE INTO answers (key, at, request, recording, status, header, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
		key, t.now.UnixMilli(), answer.Request, answer.Recording, answer.Status, string(header), []byte(answer.Body))
}
