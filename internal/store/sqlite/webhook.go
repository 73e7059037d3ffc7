package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

const webhookColumns = "w.id, w.url, w.host, w.events, w.include_text, w.enabled, w.guarded, w.job, w.signing, w.reason, w.created_at"

// scanWebhook reads the columns, and further ones into more.
func scanWebhook(scan func(...any) error, more ...any) (store.Webhook, error) {
	var w store.Webhook
	var events []byte
	var created sql.NullInt64
	err := scan(append([]any{
		&w.ID, &w.URL, &w.Host, &events, &w.IncludeText, &w.Enabled, &w.Guarded, &w.Job, (*[]byte)(&w.Secret), &w.Reason, &created,
	}, more...)...)
	if err != nil {
		return w, err
	}
	w.CreatedAt = fromMillis(created)
	if err := json.Unmarshal(events, &w.Events); err != nil {
		return w, scout.Errorf(scout.CodeStoreCorrupt, "the events of webhook %s are damaged: %w", w.ID, err)
	}
	return w, nil
}

// errNoWebhook is the error for a webhook that is not there.
func errNoWebhook(id string) error {
	return scout.Errorf(scout.CodeNotFound, "there is no webhook %q", id).WithHint("see the webhooks: scout webhooks list")
}

// Webhook returns a webhook.
func (v view) Webhook(id string) (store.Webhook, error) {
	w, err := scanWebhook(v.row("SELECT "+webhookColumns+" FROM webhooks w WHERE w.id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return w, errNoWebhook(id)
	}
	return w, err
}

// Webhook returns a webhook.
func (s *Store) Webhook(ctx context.Context, id string) (w store.Webhook, err error) {
	err = s.read(ctx, "read a webhook", func(v view) error {
		w, err = v.Webhook(id)
		return err
	})
	return w, err
}

// Webhooks returns those of a job, or the owner's, oldest first.
func (s *Store) Webhooks(ctx context.Context, job string) (list []store.Webhook, err error) {
	err = s.read(ctx, "list webhooks", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			w, err := scanWebhook(rows.Scan)
			list = append(list, w)
			return err
		}, "SELECT "+webhookColumns+" FROM webhooks w WHERE w.job = ? ORDER BY w.key", job)
	})
	return list, err
}

// PutWebhook adds a webhook, or replaces the one with its id.
func (t *tx) PutWebhook(w store.Webhook) (store.Webhook, error) {
	if w.ID == "" || w.URL == "" || w.Host == "" || len(w.Events) == 0 || len(w.Secret) == 0 {
		return w, scout.Errorf(scout.CodeInvalidArgument, "a webhook has an id, a URL, events and a secret")
	}
	for _, event := range w.Events {
		if !slices.Contains(store.HookedEvents(), event) {
			return w, scout.Errorf(scout.CodeInvalidArgument, "webhooks are not told of %q", event)
		}
	}
	events, err := json.Marshal(w.Events)
	if err != nil {
		return w, err
	}
	if old, err := t.Webhook(w.ID); err == nil {
		w.Job, w.Secret, w.Guarded, w.CreatedAt = old.Job, old.Secret, old.Guarded, old.CreatedAt
		return w, t.exec("UPDATE webhooks SET url = ?, host = ?, events = ?, include_text = ?, enabled = ?, reason = ? WHERE id = ?",
			w.URL, w.Host, string(events), w.IncludeText, w.Enabled, w.Reason, w.ID)
	} else if scout.CodeOf(err) != scout.CodeNotFound {
		return w, err
	}
	if w.Job != "" { // asked for again: what waits stays
		var same string
		err := t.row("SELECT id FROM webhooks WHERE job = ? AND url = ? AND guarded = ?", w.Job, w.URL, w.Guarded).Scan(&same)
		if err == nil {
			if err := t.exec("UPDATE webhooks SET signing = ? WHERE id = ?", []byte(w.Secret), same); err != nil {
				return w, err
			}
			return t.Webhook(same)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return w, err
		}
	}
	var count int
	if err := t.row("SELECT count(*) FROM webhooks WHERE job = ?", w.Job).Scan(&count); err != nil {
		return w, err
	}
	switch {
	case w.Job == "" && count >= store.MostWebhooks:
		return w, scout.Errorf(scout.CodeConflict, "there are %d webhooks, which is the limit", count).WithHint("delete some that nobody needs: scout webhooks delete ID")
	case w.Job != "" && count >= store.MostJobWebhooks:
		return w, scout.Errorf(scout.CodeConflict, "job %s has %d webhooks, which is the limit", w.Job, count)
	}
	at := t.now.UnixMilli()
	w.CreatedAt = fromMillis(sql.NullInt64{Int64: at, Valid: true})
	return w, t.exec(`INSERT INTO webhooks (id, url, host, events, include_text, enabled, guarded, job, signing, reason, created_at, last)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
		w.ID, w.URL, w.Host, string(events), w.IncludeText, w.Enabled, w.Guarded, w.Job, []byte(w.Secret), w.Reason, at)
}

// DeleteWebhook removes a webhook with its deliveries.
func (t *tx) DeleteWebhook(id string) error {
	if _, err := t.Webhook(id); err != nil {
		return err
	}
	return t.exec("DELETE FROM webhooks WHERE id = ?", id) // and its deliveries
}

// deliver adds a delivery of an event for each webhook that is to be told of it.
func (t *tx) deliver(e *store.NewEvent) error {
	if !slices.Contains(store.HookedEvents(), e.Type) {
		return nil
	}
	type told struct {
		key, last int64
		waiting   int
	}
	var all []told
	err := t.each(func(rows *sql.Rows) error {
		var w told
		err := rows.Scan(&w.key, &w.last, &w.waiting)
		all = append(all, w)
		return err
	}, `SELECT key, last, (SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.webhook = w.key AND d.state = 'waiting' LIMIT ?))
		FROM webhooks w WHERE job IN ('', ?) AND enabled = 1 AND instr(events, ?) > 0`, store.MostWaiting, e.Job, `"`+e.Type+`"`)
	if err != nil {
		return err
	}
	now := t.now.UnixMilli()
	for _, w := range all {
		state, failure, ended := store.DeliveryWaiting, any(nil), any(nil)
		if w.waiting >= store.MostWaiting {
			data, err := json.Marshal(store.JobErrorOf(scout.Errorf(scout.CodeWebhookFailed, "%d deliveries wait for this webhook already", w.waiting)))
			if err != nil {
				return err
			}
			state, failure, ended = store.DeliveryDead, data, now
		}
		err := t.exec(`INSERT INTO deliveries (webhook, n, message, event, at, recording, data, state, attempts, since, next_at, status, error, ended_at)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?5, ?5, 0, ?9, ?10)`,
			w.key, w.last+1, "msg_"+strings.ToLower(ulid.Make().String()), e.Type, now, e.Recording, []byte(e.Data), state, failure, ended)
		if err != nil {
			return err
		}
		if err := t.exec("UPDATE webhooks SET last = ? WHERE key = ?", w.last+1, w.key); err != nil {
			return err
		}
		t.rung[store.DeliveryStream] = true
	}
	return nil
}

const deliveryColumns = "d.n, d.message, d.event, d.at, d.recording, d.data, d.state, d.attempts, d.since, d.next_at, d.status, d.error, d.ended_at"

// deliveryInto is where the columns go; complete is called after they were read.
func deliveryInto(d *store.Delivery) (into []any, complete func() error) {
	var at, since, next, ended sql.NullInt64
	var data, failure []byte
	return []any{&d.N, &d.Message, &d.Event, &at, &d.Recording, &data, &d.State, &d.Attempts, &since, &next, &d.Status, &failure, &ended}, func() error {
		d.At, d.Since, d.NextAt, d.EndedAt, d.Data = fromMillis(at), fromMillis(since), fromMillis(next), fromMillis(ended), data
		if failure == nil {
			return nil
		}
		if err := json.Unmarshal(failure, &d.Error); err != nil {
			return scout.Errorf(scout.CodeStoreCorrupt, "the error of delivery %d of webhook %s is damaged: %w", d.N, d.Webhook, err)
		}
		return nil
	}
}

// Delivery returns a delivery.
func (t *tx) Delivery(webhook string, n int64) (store.Delivery, error) {
	d := store.Delivery{Webhook: webhook}
	into, complete := deliveryInto(&d)
	err := t.row("SELECT "+deliveryColumns+" FROM deliveries d JOIN webhooks w ON w.key = d.webhook WHERE w.id = ? AND d.n = ?", webhook, n).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return d, scout.Errorf(scout.CodeNotFound, "there is no delivery %d of webhook %q", n, webhook).WithHint("see them: scout webhooks deliveries ID")
	}
	if err != nil {
		return d, err
	}
	return d, complete()
}

// PutDelivery replaces a delivery.
func (t *tx) PutDelivery(d *store.Delivery) error {
	var failure any
	if d.Error != nil {
		data, err := json.Marshal(d.Error)
		if err != nil {
			return err
		}
		failure = data
	}
	if d.State == store.DeliveryWaiting {
		t.rung[store.DeliveryStream] = true
	}
	return t.exec("UPDATE deliveries SET state = ?, attempts = ?, since = ?, next_at = ?, status = ?, error = ?, ended_at = ? WHERE webhook = (SELECT key FROM webhooks WHERE id = ?) AND n = ?",
		d.State, d.Attempts, d.Since.UnixMilli(), d.NextAt.UnixMilli(), d.Status, failure, millis(d.EndedAt), d.Webhook, d.N)
}

// EndDeliveries gives up what waits for a webhook.
func (t *tx) EndDeliveries(webhook string, reason *store.JobError) (n int, err error) {
	data, err := json.Marshal(reason)
	if err != nil {
		return 0, err
	}
	const waitingFor = "state = 'waiting' AND webhook = (SELECT key FROM webhooks WHERE id = ?)"
	if err := t.row("SELECT count(*) FROM deliveries WHERE "+waitingFor, webhook).Scan(&n); err != nil || n == 0 {
		return n, err
	}
	return n, t.exec("UPDATE deliveries SET state = 'dead', error = ?, ended_at = ? WHERE "+waitingFor, data, t.now.UnixMilli(), webhook)
}

// TrimDeliveries removes what is no longer needed.
func (t *tx) TrimDeliveries(age time.Duration) error {
	if err := t.exec("DELETE FROM deliveries WHERE state <> 'waiting' AND ended_at < ?", t.aged(age).UnixMilli()); err != nil {
		return err
	}
	err := t.exec(`DELETE FROM deliveries WHERE key IN (SELECT key FROM
		(SELECT key, row_number() OVER (PARTITION BY webhook ORDER BY n DESC) AS place FROM deliveries WHERE state <> 'waiting') WHERE place > ?)`, store.MostEnded)
	if err != nil {
		return err
	}
	return t.exec(`DELETE FROM webhooks WHERE job <> '' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = webhooks.job)
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.webhook = webhooks.key AND d.state = 'waiting')`)
}

// Deliveries returns one page of the deliveries of a webhook.
func (s *Store) Deliveries(ctx context.Context, webhook string, page store.Page) (list store.Listing[store.Delivery], err error) {
	plan, err := page.Check("deliveries", store.Filter{ID: webhook})
	if err != nil {
		return list, err
	}
	condition, direction := "", "DESC"
	args := []any{webhook}
	if plan.Ascending {
		direction = "ASC"
	}
	if plan.Position.Document != 0 {
		condition = " AND d.n < ?"
		if plan.Ascending {
			condition = " AND d.n > ?"
		}
		args = append(args, plan.Position.Document)
	}
	err = s.read(ctx, "list deliveries", func(v view) error {
		if _, err := v.Webhook(webhook); err != nil {
			return err
		}
		var last int64
		return v.each(func(rows *sql.Rows) error {
			d := store.Delivery{Webhook: webhook}
			into, complete := deliveryInto(&d)
			if err := rows.Scan(into...); err != nil {
				return err
			}
			if len(list.Data) == plan.Limit {
				list.Next = plan.Cursor(store.Position{Document: last})
				return nil
			}
			last = d.N
			err := complete()
			list.Data = append(list.Data, d)
			return err
		}, "SELECT "+deliveryColumns+" FROM deliveries d JOIN webhooks w ON w.key = d.webhook WHERE w.id = ?"+condition+" ORDER BY d.n "+direction+" LIMIT ?", append(args, plan.Limit+1)...)
	})
	return list, err
}

// DeliveryAgenda returns what waits, by host.
func (s *Store) DeliveryAgenda(ctx context.Context, latest time.Time) (list []store.HostAgenda, err error) {
	err = s.read(ctx, "read what waits for webhooks", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var a store.HostAgenda
			var next sql.NullInt64
			err := rows.Scan(&a.Host, &next, &a.Owners)
			if next.Valid = next.Int64 != 0; next.Valid {
				a.Next = fromMillis(next)
			}
			list = append(list, a)
			return err
		}, `SELECT w.host, min(CASE WHEN d.next_at > ? THEN 0 ELSE d.next_at END) AS first, max(w.job = '')
			FROM deliveries d JOIN webhooks w ON w.key = d.webhook WHERE d.state = 'waiting' GROUP BY w.host ORDER BY first, w.host`, latest.UnixMilli())
	})
	return list, err
}

// DueDeliveries returns the first of the deliveries to a host that may be sent now.
func (s *Store) DueDeliveries(ctx context.Context, host string, now, latest time.Time, limit int) (list []store.DueDelivery, err error) {
	err = s.read(ctx, "read what is due to a webhook", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var d store.DueDelivery
			into, complete := deliveryInto(&d.Delivery)
			hook, err := scanWebhook(rows.Scan, into...)
			if err != nil {
				return err
			}
			d.Hook, d.Webhook = hook, hook.ID
			err = complete()
			list = append(list, d)
			return err
		}, "SELECT "+webhookColumns+", "+deliveryColumns+` FROM webhooks w JOIN deliveries d ON d.webhook = w.key
			WHERE w.host = ? AND d.state = 'waiting' AND (d.next_at <= ? OR d.next_at > ?) ORDER BY d.next_at, d.key LIMIT ?`,
			host, now.UnixMilli(), latest.UnixMilli(), limit)
	})
	return list, err
}

// DeliveryCounts counts deliveries.
func (s *Store) DeliveryCounts(ctx context.Context, deadSince time.Time) (c store.DeliveryCounts, err error) {
	err = s.read(ctx, "count deliveries", func(v view) error {
		if err := v.row("SELECT count(*) FROM deliveries WHERE state = 'waiting'").Scan(&c.Waiting); err != nil {
			return err
		}
		return v.row(`SELECT count(*) FROM deliveries d JOIN webhooks w ON w.key = d.webhook
			WHERE d.state <> 'waiting' AND d.ended_at >= ? AND d.state = 'dead' AND w.job = ''`, deadSince.UnixMilli()).Scan(&c.Dead)
	})
	return c, err
}
