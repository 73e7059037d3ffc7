// Package webhook tells other programs of events, by the rules of Standard Webhooks: signed, tried again for more than a day, and each at
// least once. The store adds a delivery in the transaction of its event; this package sends it. docs/adr/0095-webhooks.md says why it is
// made so.
package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// Options configure Hooks.
type Options struct {
	Store store.Store
	// Keep is how long deliveries are kept that have ended; default 7 days.
	Keep time.Duration
	// Version is that of the program, which receivers are told.
	Version  string
	Scope    observe.Scope
	Failures *observe.Failures
	// Begin is called when deliveries are to be sent soon, and what it returns when none are; nil for nobody.
	Begin func() (end func())
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Within bounds an attempt; default 15 s. Rest is how long a host is left alone that does not work; default 1 minute.
	Within, Rest time.Duration
	// Own lists the addresses of this machine; default net.InterfaceAddrs.
	Own func() ([]net.Addr, error)
}

// Hooks tells other programs of events. It is safe for concurrent use. One process at a time has the deliveries of a store.
type Hooks struct {
	options Options
	store   store.Store
	log     *slog.Logger
	sender  *sender
	metrics *metrics
	began   time.Time
	trimmed time.Time // when Run has trimmed deliveries last

	mu       sync.Mutex // guards what follows
	hosts    map[string]*host
	sending  int
	changed  chan struct{} // has a token when Run is to look again
	reopened chan struct{} // closed and replaced when another store is open
}

const (
	defaultKeep = 7 * 24 * time.Hour
	defaultRest = time.Minute
)

// New returns the webhooks of a store.
func New(o Options) *Hooks {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Within <= 0 {
		o.Within = sendWithin
	}
	if o.Rest <= 0 {
		o.Rest = defaultRest
	}
	if o.Own == nil {
		o.Own = net.InterfaceAddrs
	}
	scope := o.Scope.Component("webhook")
	if o.Failures == nil {
		o.Failures = observe.NewFailures(o.Scope)
	}
	h := &Hooks{
		options: o, store: o.Store, log: scope.Log(), sender: newSender(o.Version, o.Within, o.Own), began: time.Now(), hosts: make(map[string]*host),
		changed: make(chan struct{}, 1), reopened: make(chan struct{}),
	}
	h.metrics = newMetrics(scope, h)
	return h
}

// now is the time as the store keeps it.
func (h *Hooks) now() time.Time { return h.options.Now().Truncate(time.Millisecond).UTC() }

func newID() string { return "whk_" + strings.ToLower(ulid.Make().String()) }

// Add makes a webhook of the owner for these events. The secret is shown to nobody later.
func (h *Hooks) Add(ctx context.Context, url string, events []string, includeText, enabled bool) (store.Webhook, error) {
	host, err := hostOf(url, false)
	if err != nil {
		return store.Webhook{}, err
	}
	hook := store.Webhook{ID: newID(), URL: url, Host: host, Events: unique(events), IncludeText: includeText, Enabled: enabled, Secret: NewSecret()}
	err = h.store.Update(ctx, func(tx store.Tx) (err error) {
		hook, err = tx.PutWebhook(hook)
		return err
	})
	if err == nil {
		h.log.Info(eventCreated, slog.String("webhook", hook.ID))
	}
	return hook, err
}

func unique(events []string) []string {
	sorted := slices.Sorted(slices.Values(events))
	return slices.Compact(sorted)
}

// Change is what to change of a webhook; nil leaves a thing as it is.
type Change struct {
	URL                  *string
	Events               []string
	IncludeText, Enabled *bool
}

// Change changes a webhook. What waits for one that is disabled is given up.
func (h *Hooks) Change(ctx context.Context, id string, c Change) (hook store.Webhook, err error) {
	err = h.store.Update(ctx, func(tx store.Tx) (err error) {
		if hook, err = tx.Webhook(id); err != nil {
			return err
		}
		if c.URL != nil {
			hook.URL = *c.URL
			if hook.Host, err = hostOf(hook.URL, hook.Guarded); err != nil {
				return err
			}
		}
		if c.Events != nil {
			hook.Events = unique(c.Events)
		}
		if c.IncludeText != nil {
			hook.IncludeText = *c.IncludeText
		}
		if c.Enabled != nil {
			hook.Enabled, hook.Reason = *c.Enabled, ""
		}
		if hook, err = tx.PutWebhook(hook); err != nil || hook.Enabled {
			return err
		}
		_, err = tx.EndDeliveries(id, store.JobErrorOf(failed("the webhook was disabled")))
		return err
	})
	h.look() // another host may take what waits
	return hook, err
}

// Delete removes a webhook with its deliveries.
func (h *Hooks) Delete(ctx context.Context, id string) error {
	err := h.store.Update(ctx, func(tx store.Tx) error { return tx.DeleteWebhook(id) })
	if err == nil {
		h.log.Info(eventDeleted, slog.String("webhook", id))
	}
	return err
}

// Redeliver sends a delivery again that has ended, with all attempts. Its receiver knows it by the same id as before.
func (h *Hooks) Redeliver(ctx context.Context, webhook string, n int64) (d store.Delivery, err error) {
	err = h.store.Update(ctx, func(tx store.Tx) error {
		hook, err := tx.Webhook(webhook)
		if err != nil {
			return err
		}
		if d, err = tx.Delivery(webhook, n); err != nil || d.State == store.DeliveryWaiting {
			return err
		}
		if !hook.Enabled {
			return scout.Errorf(scout.CodeConflict, "webhook %s is disabled", webhook).WithHint("enable it first: scout webhooks enable %s", webhook)
		}
		d.State, d.Attempts, d.Since, d.NextAt, d.Status, d.Error, d.EndedAt = store.DeliveryWaiting, 0, h.now(), h.now(), 0, nil, time.Time{}
		return tx.PutDelivery(&d)
	})
	return d, err
}

// Tested is what became of a test.
type Tested struct {
	// Status is that of the answer; 0 for none.
	Status int
	Took   time.Duration
	// Err is why the receiver did not take it; nil where it did.
	Err error
}

// eventTest is the type of what Test sends.
const eventTest = "webhook.test"

// Test sends a message to a webhook, at once and once, also to one that is disabled. Nothing is kept of it.
func (h *Hooks) Test(ctx context.Context, id string) (Tested, error) {
	hook, err := h.store.Webhook(ctx, id)
	if err != nil {
		return Tested{}, err
	}
	data, err := json.Marshal(map[string]string{"webhook": id})
	if err != nil {
		return Tested{}, err
	}
	now := h.now()
	body, err := message(eventTest, now, data)
	if err != nil {
		return Tested{}, err
	}
	began := time.Now()
	o := h.sender.send(ctx, &hook, newMessage(), now, body)
	if err := ctx.Err(); err != nil {
		return Tested{}, scout.Errorf(scout.CodeOf(err), "test webhook %s: %w", id, context.Cause(ctx))
	}
	return Tested{Status: o.status, Took: time.Since(began), Err: o.err}, nil
}

func newMessage() string { return "msg_" + strings.ToLower(ulid.Make().String()) }

// OfJob is the webhook of one job, as its client asks for it. As JSON it has the secret in it.
type OfJob struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
	// Guarded is true for the URL of a client.
	Guarded bool `json:"guarded,omitempty"`
}

// Check returns what is wrong with it.
func (o *OfJob) Check() error {
	if _, err := hostOf(o.URL, o.Guarded); err != nil {
		return err
	}
	_, err := ParseSecret(o.Secret)
	return err
}

// Attach has the receiver told of the end of a job, in the transaction that makes or finds the job. Nobody is told of a job that has ended.
func (o *OfJob) Attach(tx store.Tx, j *store.Job) error {
	if j.State.Ended() {
		return nil
	}
	host, err := hostOf(o.URL, o.Guarded)
	if err != nil {
		return err
	}
	secret, err := ParseSecret(o.Secret)
	if err != nil {
		return err
	}
	_, err = tx.PutWebhook(store.Webhook{
		ID: newID(), URL: o.URL, Host: host, Guarded: o.Guarded, Job: j.ID, Secret: secret, Enabled: true,
		Events: []string{store.EventJobSucceeded, store.EventJobDead, store.EventJobCancelled},
	})
	return err
}

// message is the body of a message.
func message(event string, at time.Time, data json.RawMessage) ([]byte, error) {
	return json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{event, at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), data})
}

// look has Run look again.
func (h *Hooks) look() {
	select {
	case h.changed <- struct{}{}:
	default: // it will
	}
}
