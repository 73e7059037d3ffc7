package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
	"github.com/scout-speech/scout/internal/store/storetest"
	"github.com/scout-speech/scout/internal/webhook"
)

func TestMain(m *testing.M) {
	var err error
	if theProxy, err = newProxy(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(proxied{m})
}

// proxied are the tests, beside a proxy.
type proxied struct{ tests *testing.M }

// Run implements goleak.TestingM.
func (p proxied) Run() int {
	defer theProxy.Close()
	return p.tests.Run()
}

// bench is a store with webhooks, on a clock that the test sets.
type bench struct {
	*testing.T
	store    *sqlite.Store
	clock    *storetest.Clock
	options  webhook.Options
	hooks    *webhook.Hooks
	registry prom.Registry
	log      *bytes.Buffer
	logging  sync.Mutex
}

// Write implements io.Writer, for the log.
func (b *bench) Write(p []byte) (int, error) {
	b.logging.Lock()
	defer b.logging.Unlock()
	return b.log.Write(p)
}

func (b *bench) logged() string {
	b.logging.Lock()
	defer b.logging.Unlock()
	return b.log.String()
}

// someday is when the tests begin.
var someday = time.Date(2026, 11, 28, 22, 0, 0, 0, time.UTC)

func newBench(t *testing.T, change ...func(*webhook.Options)) *bench {
	t.Helper()
	b := &bench{T: t, clock: new(storetest.Clock), registry: prom.NewRegistry(), log: new(bytes.Buffer)}
	b.clock.Set(someday)
	st := sqlitetest.Open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{Now: b.clock.Now})
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store = st
	b.options = webhook.Options{
		Store: st, Version: "1.2.3", Now: b.clock.Now, Within: 10 * time.Second, Rest: time.Millisecond,
		Scope: observe.NewScope(slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b.registry, nil),
	}
	for _, c := range change {
		c(&b.options)
	}
	b.hooks = webhook.New(b.options)
	return b
}

// run sends what waits until the returned function is called, or the test ends.
func (b *bench) run() (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.hooks.Run(ctx) }() // ended by cancel
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(stop)
	return stop
}

// again continues as the next process does.
func (b *bench) again() {
	b.hooks = webhook.New(b.options)
}

func (b *bench) update(change func(tx store.Tx) error) {
	b.Helper()
	if err := b.store.Update(b.Context(), change); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) add(url string, events ...string) store.Webhook {
	b.Helper()
	if len(events) == 0 {
		events = []string{store.EventJobSucceeded}
	}
	hook, err := b.hooks.Add(b.Context(), url, events, false, true)
	if err != nil {
		b.Fatal(err)
	}
	return hook
}

// happens appends the event that a job has succeeded.
func (b *bench) happens(job string) {
	b.Helper()
	b.update(func(tx store.Tx) error {
		_, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobSucceeded, Job: job, Recording: storetest.ID(1), Data: fmt.Appendf(nil, `{"id":%q,"version":1}`, job)})
		return err
	})
}

// delivery returns a delivery as it is kept.
func (b *bench) delivery(hook store.Webhook, n int64) (d store.Delivery) {
	b.Helper()
	b.update(func(tx store.Tx) (err error) { d, err = tx.Delivery(hook.ID, n); return err })
	return d
}

// until waits for a delivery to be as wanted; nothing announces that.
func (b *bench) until(hook store.Webhook, n int64, as func(store.Delivery) bool) store.Delivery {
	b.Helper()
	for {
		if d := b.delivery(hook, n); as(d) {
			return d
		}
		time.Sleep(time.Millisecond)
	}
}

func in(state store.DeliveryState) func(store.Delivery) bool {
	return func(d store.Delivery) bool { return d.State == state }
}

func tried(times int) func(store.Delivery) bool {
	return func(d store.Delivery) bool { return d.Attempts >= times || d.State != store.DeliveryWaiting }
}

// at sets the clock, and has the deliveries looked at.
func (b *bench) at(now time.Time, hook store.Webhook, n int64) {
	b.Helper()
	b.clock.Set(now)
	b.update(func(tx store.Tx) error {
		d, err := tx.Delivery(hook.ID, n)
		if err != nil {
			return err
		}
		return tx.PutDelivery(&d) // as it is: what waits is looked at
	})
}

// received is a message as its receiver got it.
type received struct {
	header http.Header
	body   string
	path   string
}

// said is the body of a message.
type said struct {
	Type      string         `json:"type"`
	Timestamp string         `json:"timestamp"`
	Data      map[string]any `json:"data"`
}

func (r *received) said(t *testing.T) (m said) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return m
}

// signed checks the signature, and returns the id of the message.
func (r *received) signed(t *testing.T, secret store.Secret) string {
	t.Helper()
	id := r.header.Get("webhook-id")
	seconds, err := strconv.ParseInt(r.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.header.Get("webhook-signature"), webhook.Sign(secret, id, time.Unix(seconds, 0), []byte(r.body)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	return id
}

// receiver answers messages and passes them on.
type receiver struct {
	*httptest.Server
	got    chan received
	mu     sync.Mutex
	answer http.HandlerFunc
}

// answers changes what it answers.
func (r *receiver) answers(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (b *bench) receiver(answer http.HandlerFunc) *receiver {
	b.Helper()
	r := &receiver{got: make(chan received, 1000), answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // it was interrupted
		}
		r.got <- received{request.Header, string(body), request.URL.RequestURI()}
		r.mu.Lock()
		answer := r.answer
		r.mu.Unlock()
		answer(w, request)
	}))
	b.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}
