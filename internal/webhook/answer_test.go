package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/webhook"
)

func TestAnswersHaveTheirMeaning(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer  http.HandlerFunc
		state   store.DeliveryState
		status  int
		said    string
		atLeast time.Duration
	}{
		"200": {status(200), store.DeliveryDelivered, 200, "", 0},
		"299": {status(299), store.DeliveryDelivered, 299, "", 0},
		"400": {status(400), store.DeliveryWaiting, 400, "400", 0},
		"404": {status(404), store.DeliveryWaiting, 404, "404", 0},
		"503": {status(503), store.DeliveryWaiting, 503, "503", 0},
		"a redirect to elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, store.DeliveryWaiting, 307, "redirects are not followed", 0},
		"an upgrade": {func(w http.ResponseWriter, _ *http.Request) { raw(w, "HTTP/1.1 101 Switching Protocols\r\n\r\n") }, store.DeliveryWaiting, 0, "", 0},
		"429 for an hour": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		}, store.DeliveryWaiting, 429, "429", time.Hour},
		"503 until a time": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", someday.Add(2*time.Hour).Format(http.TimeFormat))
			w.WriteHeader(503)
		}, store.DeliveryWaiting, 503, "503", 2 * time.Hour},
		"503 for years": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "2000000000")
			w.WriteHeader(503)
		}, store.DeliveryWaiting, 503, "503", 24 * time.Hour},
		"nonsense":                {func(w http.ResponseWriter, _ *http.Request) { raw(w, "hello\r\n\r\n") }, store.DeliveryWaiting, 0, "not reached", 0},
		"the end of a connection": {func(w http.ResponseWriter, _ *http.Request) { raw(w, "") }, store.DeliveryWaiting, 0, "not reached", 0},
		"a length that is a lie": {func(w http.ResponseWriter, _ *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nshort")
		}, store.DeliveryDelivered, 200, "", 0},
		"headers without an end": {func(w http.ResponseWriter, r *http.Request) {
			endlessly(w, r, "HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("x", 1000)+"\r\n")
		}, store.DeliveryWaiting, 0, "not reached", 0},
		"a body without an end": {func(w http.ResponseWriter, r *http.Request) {
			endlessly(w, r, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1000))
		}, store.DeliveryDelivered, 200, "", 0},
		"interim answers for ever": {func(w http.ResponseWriter, r *http.Request) {
			endlessly(w, r, "", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
		}, store.DeliveryWaiting, 0, "not reached", 0},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			r := b.receiver(c.answer)
			hook := b.add(r.URL)
			b.run()
			b.happens("job_1")
			d := b.until(hook, 1, tried(1))
			if d.State != c.state || d.Attempts != 1 || c.status > 0 && d.Status != c.status || (d.Error == nil) != (c.state == store.DeliveryDelivered) {
				t.Errorf("%+v", d)
			}
			if d.Error != nil && !strings.Contains(d.Error.Message, c.said) {
				t.Errorf("%q, want %q in it", d.Error.Message, c.said)
			}
			if pause := d.NextAt.Sub(someday); d.State == store.DeliveryWaiting && (pause < c.atLeast || pause > 27*time.Hour) {
				t.Errorf("a pause of %s, want at least %s", pause, c.atLeast)
			}
			<-r.got
			select {
			case more := <-r.got:
				t.Errorf("the receiver got %+v, too", more)
			default:
			}
		})
	}
}

// raw answers with bytes of its own, and ends the connection.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(text)) // the sender may be gone
	_ = conn.Close()
}

// endlessly answers until nobody reads any more.
func endlessly(w http.ResponseWriter, _ *http.Request, begin, more string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(begin))
	for err == nil {
		_, err = conn.Write([]byte(more))
	}
}

func TestAReceiverThatHangsIsLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *webhook.Options) { o.Within = 20 * time.Millisecond })
	r := b.receiver(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
	hook := b.add(r.URL)
	b.run()
	b.happens("job_1")
	if d := b.until(hook, 1, tried(1)); d.State != store.DeliveryWaiting || d.Error == nil || !strings.Contains(d.Error.Message, "did not answer within") {
		t.Errorf("%+v", d)
	}
}

func TestAReceiverThatIsGoneIsDisabled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusGone))
	hook := b.add(r.URL)
	b.happens("job_1")
	b.update(func(tx store.Tx) error { // the first goes first
		if _, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobSucceeded, Data: []byte("{}")}); err != nil {
			return err
		}
		d, err := tx.Delivery(hook.ID, 2)
		if err != nil {
			return err
		}
		d.NextAt = someday.Add(time.Hour)
		return tx.PutDelivery(&d)
	})
	b.run()
	d := b.until(hook, 1, in(store.DeliveryDead))
	if d.Status != http.StatusGone || d.Attempts != 1 {
		t.Errorf("%+v", d)
	}
	if d := b.delivery(hook, 2); d.State != store.DeliveryDead || d.Attempts != 0 {
		t.Errorf("what waited: %+v", d)
	}
	now, err := b.store.Webhook(t.Context(), hook.ID)
	if err != nil || now.Enabled || now.Reason == "" {
		t.Errorf("%+v %v", now, err)
	}
	if check := b.hooks.Check().Probe(t.Context()); check.Status != health.Degraded || !strings.Contains(check.Reason, hook.ID) {
		t.Errorf("%+v", check)
	}
	if _, err := b.hooks.Redeliver(t.Context(), hook.ID, 1); scout.CodeOf(err) != scout.CodeConflict {
		t.Errorf("sent again while it is disabled: %v", err)
	}
	b.happens("job_3")
	enabled := true
	if now, err := b.hooks.Change(t.Context(), hook.ID, webhook.Change{Enabled: &enabled}); err != nil || !now.Enabled || now.Reason != "" {
		t.Errorf("%+v %v", now, err)
	}
	list, err := b.store.Deliveries(t.Context(), hook.ID, store.Page{})
	if err != nil || len(list.Data) != 2 {
		t.Errorf("while it was disabled it was told of %+v %v", list.Data, err)
	}
}
